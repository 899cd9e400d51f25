//! `--shard`: a part of the work, on one of several machines.

use super::{Context, OpError};
use crate::archive::shard::ShardNumber;
use crate::names::AccountId;
use crate::ops::shards::{Done, ENGINES, Engine, ShardRequest};
use crate::words::counted;

/// Options of the commands that several machines can do together.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Sharding")]
pub(crate) struct ShardOptions {
    /// Do the accounts and Regions of shard I of N, from 1/N to N/N. `auto/N` takes I from the
    /// array job of AWS Batch, Kubernetes or Slurm that this is a task of. `orgtrail gather` makes
    /// one result of all.
    #[arg(long, value_name = "I/N", requires = "results", value_parser = choice)]
    shard: Option<ShardChoice>,

    /// Where the result is kept until it is gathered: `s3://bucket/prefix` or a directory, of its
    /// own for each run.
    #[arg(long, value_name = "PLACE", requires = "shard")]
    results: Option<String>,

    /// The account that must own the bucket of --results and --units. Default: the caller's.
    #[arg(long, value_name = "ID", requires = "shard")]
    results_owner: Option<AccountId>,

    /// Distribute by a manifest of `orgtrail units`: a file or `s3://bucket/key`. Default: by the
    /// names of accounts and Regions.
    #[arg(long, value_name = "FILE", requires = "shard")]
    units: Option<String>,
}

/// A value of `--shard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShardChoice {
    Number(ShardNumber),
    /// The task of an array job of so many.
    Task(ShardNumber),
}

fn choice(text: &str) -> Result<ShardChoice, String> {
    match text.strip_prefix("auto/") {
        // As of the first: which one it is, is found out later.
        Some(count) => format!("1/{count}")
            .parse()
            .map(ShardChoice::Task)
            .map_err(|_| format!("`{text}` is not a shard, expected I/N or auto/N")),
        None => text
            .parse()
            .map(ShardChoice::Number)
            .map_err(|error: crate::archive::shard::NoShard| error.to_string()),
    }
}

impl ShardOptions {
    /// The shard to do; none if all is to be done here.
    pub(super) fn request(&self, context: &Context) -> Result<Option<ShardRequest>, OpError> {
        let (Some(choice), Some(results)) = (self.shard, &self.results) else { return Ok(None) };
        let number = match choice {
            ShardChoice::Number(number) => number,
            ShardChoice::Task(first) => {
                of_task(first.count(), |variable| context.environment.var(variable))?
            }
        };
        Ok(Some(ShardRequest {
            number,
            results: results.clone(),
            results_owner: self.results_owner.clone(),
            units: self.units.clone(),
        }))
    }
}

/// Says where the result of a shard is.
pub(super) fn report(context: &Context, done: &Done, what: &str) -> Result<(), OpError> {
    let Done { number, place } = done;
    context.out.data(format_args!(
        "shard {number}: {what}; its result is in {place}\nwhen all {} are done, run `orgtrail gather {place}`",
        counted(number.count(), "shard")
    ))
}

/// The shard of the array task that this process is.
fn of_task<'a>(
    count: u32,
    variable: impl Fn(&str) -> Option<&'a str>,
) -> Result<ShardNumber, OpError> {
    let found: Vec<(&Engine, &str)> = ENGINES
        .iter()
        .filter_map(|engine| Some((engine, variable(engine.index).filter(|it| !it.is_empty())?)))
        .collect();
    let names = || ENGINES.map(|engine| format!("{} ({})", engine.index, engine.name)).join(", ");
    let [(engine, index)] = found.as_slice() else {
        let message = match found.as_slice() {
            [] => "`--shard auto/N` was not started by an array job".to_owned(),
            several => {
                let set: Vec<&str> = several.iter().map(|(engine, _)| engine.index).collect();
                format!("several engines say which shard this is: {}", set.join(", "))
            }
        };
        return Err(OpError::usage(message).with_hint(format!(
            "exactly one of these variables must be set: {}; or give I/N",
            names()
        )));
    };
    let Engine { index: name, .. } = engine;
    let number = index.parse::<u32>().ok().filter(|index| *index < count);
    let number = number.ok_or_else(|| {
        OpError::usage(format!("${name} is `{index}`, expected a number from 0 to {}", count - 1))
            .with_hint(format!("make the array job one of {count} tasks, numbered from 0"))
    })?;
    ShardNumber::new(number + 1, count).map_err(|error| OpError::usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_of_each_engine_knows_its_shard() {
        for engine in &ENGINES {
            let of = |value: &'static str| {
                of_task(4, |name| (name == engine.index).then_some(value))
                    .map(|number| number.to_string())
                    .map_err(|error| error.render())
            };
            assert_eq!(of("0"), Ok("1/4".to_owned()));
            assert_eq!(of("3"), Ok("4/4".to_owned()));
            for wrong in ["4", "-1", "x", "1.0"] {
                let error = of(wrong).unwrap_err();
                assert!(error.contains("from 0 to 3") && error.contains(engine.index), "{error}");
            }
        }
        let none = of_task(4, |_| None).unwrap_err().render();
        assert!(none.contains("SLURM_ARRAY_TASK_ID"), "{none}");
        // A Slurm cluster on Kubernetes has the variables of both.
        let both = of_task(4, |_| Some("1")).unwrap_err().render();
        assert!(both.contains("several engines"), "{both}");
    }

    #[test]
    fn shards_are_numbers_or_left_to_the_engine() {
        assert!(matches!(choice("2/3"), Ok(ShardChoice::Number(_))));
        assert!(matches!(choice("auto/3"), Ok(ShardChoice::Task(_))));
        for wrong in ["auto", "auto/0", "auto/x", "4/3", "0/3", "auto/+3"] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
    }
}
