//! The engines whose array jobs run shards.

/// An engine that numbers the tasks of a job from 0, and says each which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine {
    /// Its name.
    pub name: &'static str,
    /// The environment variable with the number of the task.
    pub index: &'static str,
    /// The template below `infra/shards/` that starts it.
    pub template: &'static str,
}

/// Every engine that `--shard auto/N` knows.
///
/// Sources: AWS Batch User Guide, "Array job environment variables"; Kubernetes, "Indexed Job for
/// Parallel Processing with Static Work Assignment"; Slurm, `sbatch`, "--array". AWS Step
/// Functions passes `--shard` itself: its Distributed Map has a line of a manifest for each task.
pub const ENGINES: [Engine; 3] = [
    Engine { name: "AWS Batch", index: "AWS_BATCH_JOB_ARRAY_INDEX", template: "batch.yaml" },
    Engine { name: "Kubernetes", index: "JOB_COMPLETION_INDEX", template: "kubernetes.yaml" },
    Engine { name: "Slurm", index: "SLURM_ARRAY_TASK_ID", template: "slurm.sh" },
];
