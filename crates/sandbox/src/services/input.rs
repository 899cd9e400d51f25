//! Reading a call's input, and answering page by page.
//!
//! The query protocol makes every scalar a string, so numbers and flags are
//! read from strings too.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orgtrail_base::names::AccountId;
use orgtrail_base::policy::eval::PolicyEvaluator;
use serde_json::Value;

use super::{ApiError, Call, Control};
use crate::policy::Request;
use crate::simulation::Account;

/// A member that is a string with something in it.
pub(crate) fn text<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A member that is true or false.
pub(crate) fn flag(input: &Value, name: &str) -> Option<bool> {
    match input.get(name)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

/// A member that is a whole number.
pub(crate) fn number(input: &Value, name: &str) -> Option<i64> {
    match input.get(name)? {
        Value::String(text) => text.parse().ok(),
        #[expect(clippy::cast_possible_truncation, reason = "CBOR may carry whole floats")]
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|n| n as i64)),
        _ => None,
    }
}

/// A member that is a number with a fraction.
pub(crate) fn decimal(input: &Value, name: &str) -> Option<f64> {
    match input.get(name)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_f64(),
    }
}

/// The elements of a list; none where it is missing.
pub(crate) fn list<'a>(input: &'a Value, name: &str) -> &'a [Value] {
    input.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The strings of a list.
pub(crate) fn texts(input: &Value, name: &str) -> Vec<String> {
    list(input, name).iter().filter_map(|value| value.as_str().map(str::to_owned)).collect()
}

/// The pairs of a map from strings to strings.
pub(crate) fn map(input: &Value, name: &str) -> BTreeMap<String, String> {
    let members = input.get(name).and_then(Value::as_object).into_iter().flatten();
    members.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The tags of a list of `{Key, Value}`, under whatever names.
pub(crate) fn tags(input: &Value, name: &str, key: &str, value: &str) -> BTreeMap<String, String> {
    list(input, name)
        .iter()
        .filter_map(|tag| {
            Some((text(tag, key)?.to_owned(), text(tag, value).unwrap_or_default().to_owned()))
        })
        .collect()
}

/// Tags as a list of `{Key, Value}`, under whatever names.
pub(crate) fn tag_list(tags: &BTreeMap<String, String>, key: &str, value: &str) -> Value {
    tags.iter()
        .map(|(name, text)| serde_json::json!({ key: name, value: text }))
        .collect::<Vec<_>>()
        .into()
}

/// Epoch seconds, as JSON protocols carry times.
pub(crate) fn seconds(time: jiff::Timestamp) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit 53 bits")]
    let seconds = time.as_millisecond() as f64 / 1000.0;
    seconds.into()
}

/// How many items a page may have by the member `name`: `usual` where it is missing,
/// `None` where it is not from 1 to `most`.
pub(crate) fn limit(input: &Value, name: &str, usual: usize, most: usize) -> Option<usize> {
    let Some(limit) = number(input, name) else { return Some(usual) };
    usize::try_from(limit).ok().filter(|limit| (1..=most).contains(limit))
}

/// The key after which the page of a token begins; `None` if it is no token.
pub(crate) fn token_key(token: &str) -> Option<String> {
    String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

/// One page of `items`, which are ordered by their keys, after the one that ended with
/// `token`, and the token of the next.
///
/// # Errors
/// `None` when the token is none that was given out.
pub(crate) fn page(
    items: impl IntoIterator<Item = (String, Value)>,
    token: Option<&str>,
    limit: usize,
) -> Option<(Vec<Value>, Option<String>)> {
    let after = match token {
        None => None,
        Some(token) => Some(token_key(token)?),
    };
    let mut rest: Vec<_> = items
        .into_iter()
        .skip_while(|(key, _)| after.as_ref().is_some_and(|after| key <= after))
        .take(limit.saturating_add(1))
        .collect();
    let more = rest.len() > limit;
    rest.truncate(limit);
    let next = rest.last().filter(|_| more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
    Some((rest.into_iter().map(|(_, item)| item).collect(), next))
}

impl Call<'_> {
    /// Asks whether the caller may do this call's action on a resource of its
    /// own account.
    pub(crate) fn allow(&self, control: &Control, resource: &str) -> Result<(), ApiError> {
        self.allow_with(control, resource, &[])
    }

    /// The same, with condition keys of this call.
    pub(crate) fn allow_with(
        &self,
        control: &Control,
        resource: &str,
        context: &[(&str, String)],
    ) -> Result<(), ApiError> {
        self.allow_action(control, &self.action(), resource, context)
    }

    /// The IAM action of this call.
    fn action(&self) -> String {
        format!("{}:{}", self.service.action_prefix(), self.operation)
    }

    /// Asks for another action that this call depends on, on a resource of the caller's own
    /// account.
    ///
    /// Source: Service Authorization Reference, "Dependent actions".
    pub(crate) fn allow_action(
        &self,
        control: &Control,
        action: &str,
        resource: &str,
        context: &[(&str, String)],
    ) -> Result<(), ApiError> {
        let request = Request {
            context,
            secure_transport: self.secure_transport,
            ..Request::over_tls(action, resource, &self.caller.account, self.region)
        };
        control.authorize(self.caller, &request)
    }

    /// The same on a resource that may be another account's, with its policy.
    pub(crate) fn allow_in(
        &self,
        control: &Control,
        resource: &str,
        resource_account: &AccountId,
        resource_policy: Option<&PolicyEvaluator>,
        context: &[(&str, String)],
    ) -> Result<(), ApiError> {
        let action = self.action();
        let request = Request {
            resource_policy,
            context,
            secure_transport: self.secure_transport,
            ..Request::over_tls(&action, resource, resource_account, self.region)
        };
        control.authorize(self.caller, &request)
    }

    /// A member that must be a string with something in it.
    pub(crate) fn required(&self, name: &str) -> Result<&str, ApiError> {
        text(self.input, name).ok_or_else(|| missing(name))
    }

    /// The ARN of a resource in the caller's account and the call's Region.
    pub(crate) fn arn(&self, resource: impl Into<Box<str>>) -> orgtrail_base::names::Arn {
        orgtrail_base::names::Arn::regional(
            self.caller.partition,
            self.service.action_prefix(),
            self.region,
            &self.caller.account,
            resource,
        )
    }
}

/// The refusal of a call that lacks a member.
pub(crate) fn missing(name: &str) -> ApiError {
    ApiError::validation(format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
    ))
}

/// The account of an id, which callers of the sandbox always have.
pub(crate) fn account_mut<'a>(
    control: &'a mut Control,
    id: &AccountId,
) -> Result<&'a mut Account, ApiError> {
    control.accounts.get_mut(id).ok_or_else(|| no_account(id))
}

/// The same, to read.
pub(crate) fn account<'a>(control: &'a Control, id: &AccountId) -> Result<&'a Account, ApiError> {
    control.accounts.get(id).ok_or_else(|| no_account(id))
}

fn no_account(id: &AccountId) -> ApiError {
    ApiError::new("UnrecognizedClientException", format!("the sandbox has no account {id}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_join_to_the_whole() {
        let all: Vec<Value> = (10..35).map(Value::from).collect();
        let keyed = || all.iter().map(|item| (item.to_string(), item.clone()));
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let (items, next) = page(keyed(), token.as_deref(), 7).unwrap();
            seen.extend(items);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
        assert!(page(keyed(), Some("not a token!"), 7).is_none());
    }

    #[test]
    fn strings_of_the_query_protocol_read_as_what_they_stand_for() {
        let input = json!({ "a": "true", "b": "7", "c": 2.0, "d": "0.5", "e": "" });
        assert_eq!(flag(&input, "a"), Some(true));
        assert_eq!(number(&input, "b"), Some(7));
        assert_eq!(number(&input, "c"), Some(2));
        assert_eq!(decimal(&input, "d"), Some(0.5));
        assert_eq!(text(&input, "e"), None);
    }

    #[test]
    fn a_map_keeps_all_its_pairs_whatever_their_names() {
        let input = json!({ "m": { "entry": "a", "key": "b", "number": 1 } });
        let pairs = [("entry".to_owned(), "a".to_owned()), ("key".to_owned(), "b".to_owned())];
        assert_eq!(map(&input, "m"), pairs.into());
        assert_eq!(map(&input, "none"), BTreeMap::new());
    }
}
