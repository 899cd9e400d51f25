//! The tests from outside, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "tests stop where they fail"
)]

mod accept_command;
mod accounts_in_sandbox;
mod adoption;
mod apply_command;
mod apply_transient;
mod attacks;
mod authenticity;
mod aws_sessions;
mod aws_time;
mod cli_config;
mod configured;
mod consolidate;
mod consolidate_env;
mod consolidate_faults;
mod consolidate_inside_s3;
mod consolidate_model;
mod corpus;
mod demo;
mod denied;
mod digest_encryption;
mod digest_vectors;
mod doctor;
mod documents;
mod drift_causes;
mod drift_chains;
mod drift_command;
mod drift_mutations;
mod drift_mutations_guards;
mod drift_rcp;
#[path = "../env/mod.rs"]
mod env;
mod evidence_command;
mod forge;
mod generated_roles;
mod guarantees;
mod identity;
mod json_schema;
mod layers;
mod legacy_trail;
mod loopback;
mod notifications;
mod notifications_aws;
mod objects;
mod operations;
mod organization;
mod output_paths;
mod plan_adopted;
mod plan_changes;
mod plan_foresight;
mod plan_scenarios;
mod program;
mod quarantine;
mod records_command;
mod retire_command;
mod retire_env;
mod rounds;
mod s3_env;
mod sandbox_coverage;
mod sandbox_exec;
mod sandbox_identity;
mod sandbox_memory;
mod sandbox_s3;
mod sandbox_s3_guards;
mod sandbox_s3_model;
mod sandbox_s3_settings;
mod sandbox_trail;
mod schemas;
mod service_client;
mod service_documents;
mod service_notifications;
mod service_rounds;
mod service_state;
mod signals;
mod soak;
mod sources_command;
mod sources_env;
mod style;
mod trail_env;
mod verified;
mod verify_buckets;
mod verify_chains;
mod verify_command;
mod verify_laws;
mod verify_live;
mod verify_objects;
mod verify_pending;
mod verify_places;
mod verify_siblings;
mod vocabulary;
