// Package mlog stands in for the logging module of the same path, which is
// not served by every module proxy: the Secrets Store CSI driver only calls
// what is below, and klog does it.
package mlog

import (
	"context"

	"k8s.io/klog/v2"
)

type (
	LogFormat string
	LogLevel  string
)

const (
	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"

	LevelWarning LogLevel = ""
	LevelInfo    LogLevel = "info"
	LevelDebug   LogLevel = "debug"
	LevelTrace   LogLevel = "trace"
	LevelAll     LogLevel = "all"
)

func Setup() func() { return klog.Flush }

func ValidateAndSetKlogLevelAndFormatGlobally(context.Context, klog.Level, LogFormat) error {
	return nil
}

func Error(msg string, err error, kv ...any) { klog.ErrorSDepth(1, err, msg, kv...) }

func Fatal(err error, kv ...any) {
	klog.ErrorSDepth(1, err, "fatal error", kv...)
	klog.FlushAndExit(klog.ExitFlushTimeout, 255)
}
