//! A second operator who acts while a command waits or runs.
