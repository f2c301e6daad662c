//! Why single series are refused.

use crate::upstream::Received;

/// Why a series is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    Duplicate,
    DuplicateLabel,
    /// Exemplars alone: the sample that they came with is stored.
    Exemplar,
    Label,
    LabelNameTooLong,
    LabelValueTooLong,
    MetricNameTooLong,
    NotTried,
    Other,
    OutOfOrder,
    TooLarge,
    TooManyLabels,
    TooOld,
}

impl Reason {
    /// Every reason.
    pub(crate) const ALL: [Self; 13] = [
        Self::Duplicate,
        Self::DuplicateLabel,
        Self::Exemplar,
        Self::Label,
        Self::LabelNameTooLong,
        Self::LabelValueTooLong,
        Self::MetricNameTooLong,
        Self::NotTried,
        Self::Other,
        Self::OutOfOrder,
        Self::TooLarge,
        Self::TooManyLabels,
        Self::TooOld,
    ];

    /// The word for it, in metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::DuplicateLabel => "duplicate_label",
            Self::Exemplar => "exemplar",
            Self::Label => "label",
            Self::LabelNameTooLong => "label_name_too_long",
            Self::LabelValueTooLong => "label_value_too_long",
            Self::MetricNameTooLong => "metric_name_too_long",
            Self::NotTried => "not_tried",
            Self::Other => "other",
            Self::OutOfOrder => "out_of_order",
            Self::TooLarge => "too_large",
            Self::TooManyLabels => "too_many_labels",
            Self::TooOld => "too_old",
        }
    }

    /// What the refusal of a single series says.
    pub(super) fn said(received: &Received) -> Self {
        let text = String::from_utf8_lossy(&received.body).to_lowercase();
        let says = |words: &str| text.contains(words);
        match received.status {
            413 => Self::TooLarge,
            _ if says("out of order") || says("outoforder") => Self::OutOfOrder,
            _ if super::search::is_about_age(&received.body) => Self::TooOld,
            _ if says("duplicate") => Self::Duplicate,
            _ if says("label") => Self::Label,
            _ => Self::Other,
        }
    }
}
