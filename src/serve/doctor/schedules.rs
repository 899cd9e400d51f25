use crate::config::Config;
use crate::ops::Env;
use crate::ops::doctor::Item;
use crate::serve::slots::Timetable;

const ID: &str = "schedules";

/// When the next round of each schedule starts.
pub(super) fn examine(env: &Env, config: &Config) -> Vec<Item> {
    let now = env.now();
    let mut next = Vec::new();
    let mut items = Vec::new();
    for schedule in &config.service.schedule {
        let name = schedule.name.as_str();
        if schedule.paused {
            next.push(format!("{name} is paused"));
            continue;
        }
        let timetable = Timetable::new(schedule, &config.organization.management_account);
        match timetable.next_after(now) {
            Some(slot) => next.push(format!("{name} at {:.0}", slot.due_at)),
            None => items.push(Item::problem(
                ID,
                format!("the schedule `{name}` never starts: no time matches its `cron`"),
                format!("correct `cron` of the schedule `{name}` in [[service.schedule]]"),
            )),
        }
    }
    if items.is_empty() {
        items.push(Item::ok(ID, format!("next: {}", next.join(", "))));
    }
    items
}
