//! Templates, as far as the sandbox has their resources: IAM roles.

use std::collections::BTreeMap;

use orgtrail_base::names::{AccountId, Region};
use serde_json::{Map, Value};

use super::invalid;
use crate::api::ApiError;

/// The one type of resources.
const ROLE: &str = "AWS::IAM::Role";

/// The properties of a role that the sandbox applies.
const PROPERTIES: [&str; 8] = [
    "AssumeRolePolicyDocument",
    "Description",
    "ManagedPolicyArns",
    "MaxSessionDuration",
    "Path",
    "PermissionsBoundary",
    "Policies",
    "RoleName",
];

/// A template that was read.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) description: Option<String>,
    parameters: Map<String, Value>,
    resources: Map<String, Value>,
    outputs: Map<String, Value>,
}

/// A role as a template declares it, with all values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RoleResource {
    pub(super) logical_id: String,
    /// Absent if CloudFormation is to choose one.
    pub(super) name: Option<String>,
    pub(super) path: String,
    pub(super) description: String,
    pub(super) trust: String,
    /// Inline policies by name.
    pub(super) inline: BTreeMap<String, String>,
    pub(super) managed: Vec<String>,
    pub(super) boundary: Option<String>,
    pub(super) max_session_seconds: i64,
}

/// Where a template is deployed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) partition: &'a str,
    pub(super) account: &'a AccountId,
    pub(super) region: &'a Region,
    pub(super) stack_name: &'a str,
}

fn format_error(message: &str) -> ApiError {
    invalid(format!("Template format error: {message}"))
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// `ValidationError` with AWS's words.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let value: Value =
            serde_json::from_str(text).map_err(|_| format_error("JSON not well-formed."))?;
        let Value::Object(mut sections) = value else {
            return Err(format_error("unsupported structure."));
        };
        let mut section = |name: &str| match sections.remove(name) {
            Some(Value::Object(section)) => Ok(section),
            None => Ok(Map::new()),
            Some(_) => Err(format_error(&format!("[/{name}] 'null' values are not allowed"))),
        };
        let parameters = section("Parameters")?;
        let resources = section("Resources")?;
        let outputs = section("Outputs")?;
        let version = sections.remove("AWSTemplateFormatVersion");
        if version.as_ref().is_some_and(|version| version != "2010-09-09") {
            return Err(format_error("unsupported value for AWSTemplateFormatVersion."));
        }
        let description = sections.remove("Description");
        let description = description.and_then(|it| it.as_str().map(str::to_owned));
        sections.remove("Metadata");
        if let Some(unknown) = sections.keys().next() {
            return Err(invalid(format!("Invalid template property or properties [{unknown}]")));
        }
        if resources.is_empty() {
            return Err(format_error("At least one Resources member must be defined."));
        }
        let unknown: Vec<&str> = resources
            .values()
            .map(|resource| resource["Type"].as_str().unwrap_or_default())
            .filter(|kind| *kind != ROLE)
            .collect();
        if !unknown.is_empty() {
            return Err(format_error(&format!(
                "Unrecognized resource types: [{}]",
                unknown.join(", ")
            )));
        }
        for parameter in parameters.values() {
            if parameter["Type"] != "String" {
                return Err(format_error("Unrecognized parameter type"));
            }
        }
        Ok(Self { description, parameters, resources, outputs })
    }

    /// The capabilities that it needs.
    ///
    /// # Errors
    /// `InsufficientCapabilitiesException`.
    pub(super) fn check_capabilities(&self, given: &[String]) -> Result<(), ApiError> {
        let is_named = self.resources.values().any(|it| it["Properties"].get("RoleName").is_some());
        let has = |name: &str| given.iter().any(|one| one == name);
        let needed = if is_named { "CAPABILITY_NAMED_IAM" } else { "CAPABILITY_IAM" };
        if has("CAPABILITY_NAMED_IAM") || (!is_named && has(needed)) {
            return Ok(());
        }
        Err(ApiError::new(
            "InsufficientCapabilitiesException",
            format!("Requires capabilities : [{needed}]"),
        ))
    }

    /// Checks that the parameters are those that it declares, and returns all with their
    /// values.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(super) fn values(
        &self,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, ApiError> {
        let unknown: Vec<&str> =
            given.keys().filter(|key| !self.parameters.contains_key(*key)).map(|k| &**k).collect();
        if !unknown.is_empty() {
            return Err(invalid(format!(
                "Parameters: [{}] do not exist in the template",
                unknown.join(", ")
            )));
        }
        let (mut values, mut missing) = (BTreeMap::new(), Vec::new());
        for (key, declared) in &self.parameters {
            let value = given.get(key).cloned();
            match value.or_else(|| declared["Default"].as_str().map(str::to_owned)) {
                Some(value) => drop(values.insert(key.clone(), value)),
                None => missing.push(key.as_str()),
            }
        }
        if missing.is_empty() {
            return Ok(values);
        }
        Err(invalid(format!("Parameters: [{}] must have values", missing.join(", "))))
    }

    /// Its roles for a place.
    ///
    /// # Errors
    /// `ValidationError`: a property, function or reference that does not exist.
    pub(super) fn roles(
        &self,
        values: &BTreeMap<String, String>,
        place: Place<'_>,
    ) -> Result<Vec<RoleResource>, ApiError> {
        let resolver = Resolver { values, place, resources: &BTreeMap::new() };
        self.resources
            .iter()
            .map(|(id, resource)| role(id, &resolver.resolve(&resource["Properties"])?))
            .collect()
    }

    /// Its outputs, given the ARNs of its roles by their logical ids.
    ///
    /// # Errors
    /// `ValidationError`.
    pub(super) fn outputs(
        &self,
        values: &BTreeMap<String, String>,
        place: Place<'_>,
        arns: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, ApiError> {
        let resolver = Resolver { values, place, resources: arns };
        let outputs = self.outputs.iter().map(|(name, output)| {
            let value = resolver.resolve(&output["Value"])?;
            Ok((name.clone(), value.as_str().unwrap_or_default().to_owned()))
        });
        outputs.collect()
    }
}

fn role(logical_id: &str, properties: &Value) -> Result<RoleResource, ApiError> {
    let given = properties.as_object().into_iter().flatten();
    for (name, _) in given.filter(|(_, value)| !value.is_null()) {
        if !PROPERTIES.contains(&name.as_str()) {
            return Err(invalid(format!("Encountered unsupported property {name}")));
        }
    }
    let text = |name: &str| properties[name].as_str().map(str::to_owned);
    let trust = &properties["AssumeRolePolicyDocument"];
    if !trust.is_object() {
        return Err(invalid("Property AssumeRolePolicyDocument cannot be empty."));
    }
    let policies = properties["Policies"].as_array().into_iter().flatten();
    let inline = policies.map(|policy| {
        let name = policy["PolicyName"].as_str().unwrap_or_default().to_owned();
        (name, policy["PolicyDocument"].to_string())
    });
    let managed = properties["ManagedPolicyArns"].as_array().into_iter().flatten();
    Ok(RoleResource {
        logical_id: logical_id.to_owned(),
        name: text("RoleName"),
        path: text("Path").unwrap_or_else(|| "/".to_owned()),
        description: text("Description").unwrap_or_default(),
        trust: trust.to_string(),
        inline: inline.collect(),
        managed: managed.filter_map(|arn| arn.as_str().map(str::to_owned)).collect(),
        boundary: text("PermissionsBoundary"),
        max_session_seconds: properties["MaxSessionDuration"].as_i64().unwrap_or(3600),
    })
}

/// Resolves the intrinsic functions of a template.
struct Resolver<'a> {
    values: &'a BTreeMap<String, String>,
    place: Place<'a>,
    /// ARNs by logical ids, for outputs.
    resources: &'a BTreeMap<String, String>,
}

impl Resolver<'_> {
    fn resolve(&self, value: &Value) -> Result<Value, ApiError> {
        match value {
            Value::Array(items) => {
                Ok(Value::Array(items.iter().map(|it| self.resolve(it)).collect::<Result<_, _>>()?))
            }
            Value::Object(members) => {
                if let Some((name, argument)) = members.iter().next()
                    && members.len() == 1
                    && (name == "Ref" || name.starts_with("Fn::"))
                {
                    return self.function(name, argument);
                }
                let resolved = members.iter().map(|(k, v)| Ok((k.clone(), self.resolve(v)?)));
                Ok(Value::Object(resolved.collect::<Result<_, ApiError>>()?))
            }
            other => Ok(other.clone()),
        }
    }

    fn function(&self, name: &str, argument: &Value) -> Result<Value, ApiError> {
        let malformed = || format_error(&format!("every {name} object must have valid arguments."));
        let parts = || argument.as_array().filter(|it| it.len() == 2).ok_or_else(malformed);
        match name {
            "Ref" => Ok(self.reference(argument.as_str().ok_or_else(malformed)?)?.into()),
            "Fn::Sub" => self.substitute(argument.as_str().ok_or_else(malformed)?),
            "Fn::Join" => {
                let parts = parts()?;
                let items = self.resolve(&parts[1])?;
                let items = items.as_array().ok_or_else(malformed)?;
                let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                Ok(items.join(parts[0].as_str().ok_or_else(malformed)?).into())
            }
            "Fn::Split" => {
                let parts = parts()?;
                let text = self.resolve(&parts[1])?;
                let text = text.as_str().ok_or_else(malformed)?;
                let items = text.split(parts[0].as_str().ok_or_else(malformed)?);
                Ok(items.map(Value::from).collect::<Vec<_>>().into())
            }
            "Fn::Select" => {
                let parts = parts()?;
                let at = parts[0].as_u64().or_else(|| parts[0].as_str()?.parse().ok());
                let items = self.resolve(&parts[1])?;
                let at = usize::try_from(at.ok_or_else(malformed)?).map_err(|_| malformed())?;
                items.get(at).cloned().ok_or_else(|| {
                    format_error("Fn::Select cannot select nonexistent value at index")
                })
            }
            "Fn::GetAtt" => {
                let parts = parts()?;
                let (id, attribute) = (parts[0].as_str(), parts[1].as_str());
                let id = id.ok_or_else(malformed)?;
                let arn = self.resources.get(id).filter(|_| attribute == Some("Arn"));
                Ok(arn.ok_or_else(|| unresolved(id))?.clone().into())
            }
            _ => Err(format_error(&format!("{name} is not supported"))),
        }
    }

    fn reference(&self, name: &str) -> Result<String, ApiError> {
        let place = self.place;
        Ok(match name {
            "AWS::AccountId" => place.account.to_string(),
            "AWS::Partition" => place.partition.to_owned(),
            "AWS::Region" => place.region.to_string(),
            "AWS::StackName" => place.stack_name.to_owned(),
            _ => self.values.get(name).cloned().ok_or_else(|| unresolved(name))?,
        })
    }

    fn substitute(&self, text: &str) -> Result<Value, ApiError> {
        let (mut done, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format_error("invalid Fn::Sub expression"))?;
            done.push_str(before);
            // `${!Literal}` stays as `${Literal}`.
            if let Some(literal) = name.strip_prefix('!') {
                done.push_str("${");
                done.push_str(literal);
                done.push('}');
            } else {
                done.push_str(&self.reference(name)?);
            }
            rest = after;
        }
        done.push_str(rest);
        Ok(done.into())
    }
}

fn unresolved(name: &str) -> ApiError {
    format_error(&format!(
        "Unresolved resource dependencies [{name}] in the Resources block of the template"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(properties: &Value) -> String {
        json!({
            "Parameters": { "Trusted": { "Type": "String" } },
            "Resources": { "Role": { "Type": ROLE, "Properties": properties } },
        })
        .to_string()
    }

    fn roles(properties: &Value) -> Result<Vec<RoleResource>, String> {
        let account = "111111111111".parse().unwrap();
        let region = "us-east-1".parse().unwrap();
        let place =
            Place { partition: "aws", account: &account, region: &region, stack_name: "one" };
        let values = [("Trusted".to_owned(), "arn:aws:iam::222222222222:role/Hub".to_owned())];
        let parsed = Template::parse(&template(properties)).map_err(|error| error.message)?;
        parsed.roles(&values.into(), place).map_err(|error| error.message)
    }

    #[test]
    fn functions_are_resolved_for_the_place() {
        let account = json!({ "Fn::Select": [4, { "Fn::Split": [":", { "Ref": "Trusted" }] }] });
        let found = roles(&json!({
            "RoleName": { "Fn::Join": ["-", ["R", { "Ref": "AWS::AccountId" }]] },
            "PermissionsBoundary": { "Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:${!x}" },
            "AssumeRolePolicyDocument": { "Principal": account },
        }))
        .unwrap();
        assert_eq!(found[0].name.as_deref(), Some("R-111111111111"));
        assert_eq!(found[0].boundary.as_deref(), Some("arn:aws:iam::111111111111:${x}"));
        assert_eq!(found[0].trust, r#"{"Principal":"222222222222"}"#);
    }

    #[test]
    fn what_the_sandbox_does_not_have_is_refused_in_aws_words() {
        let trust = json!({});
        for (properties, message) in [
            (
                json!({ "AssumeRolePolicyDocument": trust, "Colour": 1 }),
                "unsupported property Colour",
            ),
            (json!({ "AssumeRolePolicyDocument": { "Ref": "Nobody" } }), "Unresolved resource"),
            (json!({ "AssumeRolePolicyDocument": { "Fn::ImportValue": "x" } }), "Fn::ImportValue"),
            (json!({}), "AssumeRolePolicyDocument cannot be empty"),
        ] {
            let error = roles(&properties).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
        for (text, message) in [
            ("{", "JSON not well-formed"),
            (r#"{"Resources":{}}"#, "At least one Resources member"),
            (
                r#"{"Resources":{"B":{"Type":"AWS::S3::Bucket"}}}"#,
                "Unrecognized resource types: [AWS::S3::Bucket]",
            ),
        ] {
            let error = Template::parse(text).unwrap_err().message;
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn parameters_must_be_declared_and_have_values() {
        let parsed = Template::parse(&template(&json!({}))).unwrap();
        let missing = parsed.values(&BTreeMap::new()).unwrap_err().message;
        assert!(missing.contains("[Trusted] must have values"), "{missing}");
        let other = [("Other".to_owned(), String::new())];
        let unknown = parsed.values(&other.into()).unwrap_err().message;
        assert!(unknown.contains("[Other] do not exist"), "{unknown}");
    }
}
