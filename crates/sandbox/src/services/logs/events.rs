//! Log streams and their events.

use serde_json::{Value, json};

use super::{ApiError, Call, Control, Event, Reply, Stream, group_mut, input, invalid, page};

/// The most events of a response.
const MOST: usize = 10_000;

fn no_stream() -> ApiError {
    ApiError::new("ResourceNotFoundException", "The specified log stream does not exist.")
}

pub(super) fn create_stream(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("logStreamName")?;
    if name.len() > 512 || name.contains([':', '*']) {
        return Err(invalid("a log stream's name has at most 512 characters, and neither : nor *"));
    }
    let group = group_mut(control, call)?;
    if group.streams.contains_key(name) {
        return Err(ApiError::new(
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ));
    }
    group.streams.insert(name.to_owned(), Stream::new(call.now));
    Ok(json!({}))
}

pub(super) fn delete_stream(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("logStreamName")?;
    group_mut(control, call)?.streams.remove(name).ok_or_else(no_stream)?;
    Ok(json!({}))
}

pub(super) fn describe_streams(control: &mut Control, call: &Call<'_>) -> Reply {
    let prefix = input::text(call.input, "logStreamNamePrefix").unwrap_or_default();
    let group = group_mut(control, call)?;
    let streams = group.streams.iter().filter(|(name, _)| name.starts_with(prefix));
    let streams = streams.map(|(name, stream)| {
        let item = json!({
            "logStreamName": name,
            "creationTime": stream.created.as_millisecond(),
            "arn": format!("{}:log-stream:{name}", group.arn),
            "storedBytes": 0,
            "firstEventTimestamp": stream.events.first().map(|first| first.at),
            "lastEventTimestamp": stream.events.last().map(|last| last.at),
            "lastIngestionTime": stream.events.last().map(|last| last.ingested),
        });
        (name.clone(), item)
    });
    page(call, "logStreams", streams, 50)
}

pub(super) fn put(control: &mut Control, call: &Call<'_>) -> Reply {
    let ingested = call.now.as_millisecond();
    let mut events = Vec::new();
    for event in input::list(call.input, "logEvents") {
        let (Some(at), Some(message)) =
            (input::number(event, "timestamp"), input::text(event, "message"))
        else {
            return Err(invalid("every log event needs timestamp and message"));
        };
        if events.last().is_some_and(|last: &Event| last.at > at) {
            return Err(invalid(
                "Log events in a single PutLogEvents request must be in chronological order.",
            ));
        }
        events.push(Event { at, ingested, message: message.to_owned() });
    }
    if events.is_empty() || events.len() > 10_000 {
        return Err(invalid("1 to 10000 log events are taken"));
    }
    let name = call.required("logStreamName")?;
    let stream = group_mut(control, call)?.streams.get_mut(name).ok_or_else(no_stream)?;
    stream.append(events.into_iter());
    Ok(json!({ "nextSequenceToken": format!("{ingested:056}") }))
}

fn in_range(call: &Call<'_>, event: &Event) -> bool {
    input::number(call.input, "startTime").is_none_or(|start| event.at >= start)
        && input::number(call.input, "endTime").is_none_or(|end| event.at < end)
}

pub(super) fn get(control: &mut Control, call: &Call<'_>) -> Reply {
    let name = call.required("logStreamName")?;
    let from_head = input::flag(call.input, "startFromHead").unwrap_or(false);
    let limit = input::limit(call.input, "limit", MOST, MOST)
        .ok_or_else(|| invalid("The limit must be between 1 and 10000."))?;
    let stream = group_mut(control, call)?.streams.get(name).ok_or_else(no_stream)?;
    let matching: Vec<&Event> =
        stream.events.iter().filter(|event| in_range(call, event)).collect();
    // `f/n`: forward from the n-th event; `b/n`: backward from before it.
    let place = |text: &str| text.get(2..).and_then(|n| n.parse::<usize>().ok());
    let (start, end) = match input::text(call.input, "nextToken") {
        Some(token) if token.starts_with("f/") => {
            let start =
                place(token).ok_or_else(|| invalid("The specified nextToken is invalid."))?;
            (start.min(matching.len()), start.saturating_add(limit).min(matching.len()))
        }
        Some(token) if token.starts_with("b/") => {
            let end = place(token).ok_or_else(|| invalid("The specified nextToken is invalid."))?;
            let end = end.min(matching.len());
            (end.saturating_sub(limit), end)
        }
        Some(_) => return Err(invalid("The specified nextToken is invalid.")),
        None if from_head => (0, limit.min(matching.len())),
        None => (matching.len().saturating_sub(limit), matching.len()),
    };
    let events: Vec<Value> = matching[start..end]
        .iter()
        .map(|event| {
            json!({ "timestamp": event.at, "message": event.message, "ingestionTime": event.ingested })
        })
        .collect();
    Ok(json!({
        "events": events,
        "nextForwardToken": format!("f/{end:020}"),
        "nextBackwardToken": format!("b/{start:020}"),
    }))
}

pub(super) fn filter(control: &mut Control, call: &Call<'_>) -> Reply {
    let pattern = input::text(call.input, "filterPattern").unwrap_or_default();
    if pattern.trim_start().starts_with('{') {
        return Err(invalid("the sandbox supports word filters only, not JSON patterns"));
    }
    let words: Vec<&str> = pattern.split_whitespace().map(|word| word.trim_matches('"')).collect();
    let names = input::texts(call.input, "logStreamNames");
    let prefix = input::text(call.input, "logStreamNamePrefix").unwrap_or_default();
    let group = group_mut(control, call)?;
    let mut found = Vec::new();
    for (name, stream) in &group.streams {
        if !name.starts_with(prefix) || (!names.is_empty() && !names.contains(name)) {
            continue;
        }
        for (number, event) in stream.events.iter().enumerate() {
            if in_range(call, event) && words.iter().all(|word| event.message.contains(word)) {
                let id = format!("{:015}/{name}/{number:08}", event.at);
                let item = json!({
                    "logStreamName": name,
                    "timestamp": event.at,
                    "message": event.message,
                    "ingestionTime": event.ingested,
                    "eventId": id,
                });
                found.push((id, item));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let mut reply = page(call, "events", found, 10_000)?;
    reply["searchedLogStreams"] = json!([]);
    Ok(reply)
}
