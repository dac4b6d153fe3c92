//! Style and structure that tools can check.
