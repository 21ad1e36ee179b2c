//! The headers and bodies the application is promised.
