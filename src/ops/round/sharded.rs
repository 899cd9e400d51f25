//! The parts of a round that shards do: consolidation and verification.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Consolidation, Part, PartResult, PartValue, Request, Round, can_arrive, has_arrived,
    verification_ended,
};
use crate::archive::consolidate::pending::Unfinished;
use crate::archive::shard::Shard;
use crate::archive::verify::finding::Finding;
use crate::aws::WriteAuthority;
use crate::ops::consolidate::{self, Consolidated, prepare};
use crate::ops::verify::{Examination, verify_shard};
use crate::ops::{Env, OpError};

/// What a shard did of a round.
#[derive(Debug, Serialize, Deserialize)]
pub struct ShardRound {
    parts: Vec<ShardPart>,
    /// What consolidation left for later, if it was a part.
    left: Option<Unfinished>,
}

/// A part of a round, as a shard did it.
#[derive(Debug, Serialize, Deserialize)]
struct ShardPart {
    started_at: Timestamp,
    ended_at: Timestamp,
    value: ShardValue,
}

#[derive(Debug, Serialize, Deserialize)]
enum ShardValue {
    Consolidated(Box<Consolidated>),
    Examined(Box<Examination>),
}

impl ShardRound {
    /// Whether a part was stopped before its end.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        self.parts.iter().any(|part| match &part.value {
            ShardValue::Consolidated(done) => done.was_stopped(),
            ShardValue::Examined(found) => found.was_stopped(),
        })
    }

    /// Joins what the shards of one round did, in their order; `None` of no shard.
    #[must_use]
    pub fn join(shards: Vec<Self>) -> Option<Round> {
        let mut of_parts: Vec<Vec<ShardPart>> = Vec::new();
        let mut left: Option<Unfinished> = None;
        for shard in shards {
            for (at, part) in shard.parts.into_iter().enumerate() {
                if of_parts.len() <= at {
                    of_parts.push(Vec::new());
                }
                of_parts[at].push(part);
            }
            left = match (left, shard.left) {
                (Some(one), Some(other)) => Some(one.joined(other)),
                (one, other) => one.or(other),
            };
        }
        let consolidation = left.map(Consolidation::Done);
        let joined = |part: Vec<ShardPart>| join_part(part, consolidation.as_ref());
        let parts: Vec<PartResult> = of_parts.into_iter().filter_map(joined).collect();
        let started_at = parts.iter().map(|part| part.started_at).min()?;
        let ended_at = parts.iter().map(|part| part.ended_at).max()?;
        Some(Round { started_at, ended_at, parts })
    }
}

/// Joins a part of all shards.
fn join_part(of_shards: Vec<ShardPart>, left: Option<&Consolidation>) -> Option<PartResult> {
    let started_at = of_shards.iter().map(|part| part.started_at).min()?;
    let ended_at = of_shards.iter().map(|part| part.ended_at).max()?;
    let (mut consolidated, mut examined) = (Vec::new(), Vec::new());
    for part in of_shards {
        match part.value {
            ShardValue::Consolidated(done) => consolidated.push(*done),
            ShardValue::Examined(found) => examined.push(*found),
        }
    }
    let part = |part, outcome, summary, value| PartResult {
        part,
        outcome,
        started_at,
        ended_at,
        summary,
        result: Some(value),
    };
    if let Some(done) = Consolidated::join(consolidated) {
        let (outcome, summary) = (done.outcome(), done.summary());
        let value = PartValue::Consolidated(Box::new(done));
        return Some(part(Part::Consolidate, outcome, summary, value));
    }
    let verified = Examination::join(examined)?.conclude();
    let (outcome, summary) = verification_ended(&verified, left);
    Some(part(Part::Verify, outcome, summary, PartValue::Verified(Box::new(verified))))
}

/// Does a shard of a round. Unlike a whole round it ends with the first part that fails: the
/// shard is to be run again.
///
/// # Errors
/// The request has a part that cannot be divided: usage. A part failed.
pub async fn shard_round(
    env: &Env,
    request: &Request,
    shard: &Shard,
) -> Result<ShardRound, OpError> {
    request.check_divisible()?;
    let mut round = ShardRound { parts: Vec::new(), left: None };
    for part in &request.parts {
        let started_at = env.now();
        let value = if *part == Part::Verify {
            ShardValue::Examined(Box::new(round.verify(env, request, shard).await?))
        } else {
            let done = consolidate_shard(env, shard).await?;
            round.left = Some(done.unfinished());
            ShardValue::Consolidated(Box::new(done))
        };
        round.parts.push(ShardPart { started_at, ended_at: env.now(), value });
        if round.was_stopped() {
            break;
        }
    }
    Ok(round)
}

impl ShardRound {
    /// Verifies, and a second time if files were missing that consolidation then copied.
    async fn verify(
        &mut self,
        env: &Env,
        request: &Request,
        shard: &Shard,
    ) -> Result<Examination, OpError> {
        let asked = request.verification(env.now());
        let found = env.unless_ended(Box::pin(verify_shard(env, &asked, shard))).await?;
        let missing: Vec<Finding> = can_arrive(found.all_findings()).cloned().collect();
        if self.left.is_none() || found.was_stopped() || missing.is_empty() {
            return Ok(found);
        }
        self.left = Some(consolidate_shard(env, shard).await?.unfinished());
        let arrived = Box::pin(has_arrived(missing.iter(), env));
        if !env.unless_stopped(arrived).await?? {
            return Ok(found);
        }
        env.unless_ended(Box::pin(verify_shard(env, &asked, shard))).await
    }
}

async fn consolidate_shard(env: &Env, shard: &Shard) -> Result<Consolidated, OpError> {
    let request = consolidate::Request { shard: Some(shard.clone()), ..Default::default() };
    prepare(env, request).await?.run(env, Some(&WriteAuthority::granted())).await
}
