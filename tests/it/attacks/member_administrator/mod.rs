//! The administrator of a member account: its buckets, trails and what lies in them.

mod crafted;
mod decoy;
mod discovery;
mod planted;
mod unlisted;
