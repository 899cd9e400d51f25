//! Someone who can write below `orgtrail/` in the archive: run records, acceptances, quarantine.
