"""The evidence pack of an alarm: everything known around it on one time line, sealed by the audit chain."""
