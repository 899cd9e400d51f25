//! What orgtrail and its sandbox share: AWS's names, policies and CloudTrail's
//! formats. Nothing here calls AWS, or waits.

pub mod cloudtrail;
pub mod local_file;
pub mod names;
pub mod percent;
pub mod policy;
pub mod printable;
