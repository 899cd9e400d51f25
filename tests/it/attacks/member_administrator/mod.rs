//! The administrator of a member account: its buckets, trails and what lies in them.

mod decoy;
mod unlisted;
