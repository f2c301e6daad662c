//! Closed sets of reasons, as metrics and logs name them.

/// Declares reasons, each with its word.
macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum $name {
            $($(#[$about])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

reasons! {
    /// Why a request is refused before it is sent on.
    Refusal {
        ClientGone "client_gone",
        ConnectionLimit "connection_limit",
        DecompressedTooLarge "decompressed_too_large",
        EmptyBody "empty_body",
        ForeignPeer "foreign_peer",
        HeadTooLarge "head_too_large",
        InFlightLimit "in_flight_limit",
        MalformedChunks "malformed_chunks",
        MalformedHead "malformed_head",
        MethodNotAllowed "method_not_allowed",
        NoToken "no_token",
        NotFound "not_found",
        NotSnappy "not_snappy",
        ProtocolQuestion "protocol_question",
        RequestTooLarge "request_too_large",
        SearchLimit "search_limit",
        SlowBody "slow_body",
        SlowHead "slow_head",
        UnderWay "under_way",
        UnsupportedType "unsupported_type",
        WrongPath "wrong_path",
    }
}

impl Refusal {
    /// Whether it is not about a sender's batch: no write, or one that the sender itself
    /// gave up.
    pub(crate) const fn is_harmless(self) -> bool {
        matches!(
            self,
            Self::ClientGone | Self::MethodNotAllowed | Self::NotFound | Self::ProtocolQuestion
        )
    }

    /// Whether it can happen to a request to a destination: the others happen before that
    /// is known, or without one.
    pub(super) const fn is_of_destination(self) -> bool {
        !matches!(
            self,
            Self::ForeignPeer
                | Self::HeadTooLarge
                | Self::MalformedHead
                | Self::MethodNotAllowed
                | Self::NotFound
                | Self::SlowHead
                | Self::WrongPath
        )
    }
}

reasons! {
    /// Why a series is refused.
    Reason {
        Duplicate "duplicate",
        DuplicateLabel "duplicate_label",
        /// Exemplars alone: the sample that they came with is stored.
        Exemplar "exemplar",
        Label "label",
        LabelNameTooLong "label_name_too_long",
        LabelValueTooLong "label_value_too_long",
        MetricNameTooLong "metric_name_too_long",
        NotTried "not_tried",
        Other "other",
        OutOfOrder "out_of_order",
        TooLarge "too_large",
        TooManyLabels "too_many_labels",
        TooOld "too_old",
    }
}
