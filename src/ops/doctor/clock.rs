use jiff::SignedDuration;

use super::inputs::Inputs;
use super::item::Item;

const ID: &str = "clock";
/// A clock that differs more may be wrong.
const DIFFERS: SignedDuration = SignedDuration::from_mins(1);
/// AWS refuses requests that differ more. Source: IAM User Guide, "Signature Version 4".
const REFUSED: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    if inputs.aws.is_sandbox() {
        return vec![Item::ok(ID, format!("the sandbox's clock shows {:.0}", inputs.aws.now()))];
    }
    vec![judge(inputs.aws.ahead())]
}

fn judge(ahead: SignedDuration) -> Item {
    let differs = ahead.abs();
    if differs <= DIFFERS {
        return Item::ok(ID, "this machine's clock agrees with AWS's");
    }
    let side = if ahead.is_negative() { "ahead of" } else { "behind" };
    let effect = if differs > REFUSED { "; AWS refuses requests after 5 minutes" } else { "" };
    Item::problem(
        ID,
        format!(
            "this machine's clock is {:#} {side} AWS's{effect}",
            SignedDuration::from_secs(differs.as_secs())
        ),
        "synchronize the clock: `timedatectl set-ntp true`",
    )
}

#[cfg(test)]
mod tests {
    use super::super::item::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_differs_by_more_than_a_minute_is_a_problem() {
        for (seconds, verdict, says) in [
            (0, Verdict::Ok, "agrees"),
            (-60, Verdict::Ok, "agrees"),
            (61, Verdict::Problem, "behind AWS's"),
            (-400, Verdict::Problem, "ahead of AWS's; AWS refuses"),
        ] {
            let item = judge(SignedDuration::from_secs(seconds));
            assert_eq!(item.verdict, verdict, "{seconds}: {item:?}");
            assert!(item.evidence.contains(says), "{seconds}: {item:?}");
        }
    }
}
