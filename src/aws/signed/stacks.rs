//! Calls of AWS CloudFormation, in the Query protocol.

use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_types::error::ErrorMetadata;
use http::Method;

use super::{Form, transmit};
use crate::aws::xml::XmlElement;
use crate::aws::{AwsError, Clients, WriteClients};

/// Declares the calls of CloudFormation: each variant is an operation.
macro_rules! stack_calls {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The IAM action that the call needs.
            #[must_use]
            pub fn action(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!("cloudformation:", stringify!($variant)),)*
                }
            }
        }
    };
}

stack_calls! {
    /// A call of AWS CloudFormation that reads.
    StackRead {
        /// Whether stack sets may work in the organization.
        DescribeOrganizationsAccess,
        /// A stack's status and parameters.
        DescribeStacks,
        /// What happened to a stack's resources.
        DescribeStackEvents,
        /// A stack's template.
        GetTemplate,
        /// A stack set's template and parameters.
        DescribeStackSet,
        /// An operation's status.
        DescribeStackSetOperation,
        /// The names of the stack sets.
        ListStackSets,
        /// A stack set's stacks.
        ListStackInstances,
        /// A stack set's operations.
        ListStackSetOperations,
    }
}

stack_calls! {
    /// A call of AWS CloudFormation that changes something.
    StackWrite {
        /// Lets stack sets work in the organization.
        ActivateOrganizationsAccess,
        /// Creates a stack.
        CreateStack,
        /// Changes a stack.
        UpdateStack,
        /// Deletes a stack.
        DeleteStack,
        /// Creates a stack set.
        CreateStackSet,
        /// Changes a stack set.
        UpdateStackSet,
        /// Deletes a stack set.
        DeleteStackSet,
        /// Deploys a stack set to accounts.
        CreateStackInstances,
        /// Deploys a stack set again.
        UpdateStackInstances,
        /// Deletes a stack set's stacks.
        DeleteStackInstances,
    }
}

/// The version of CloudFormation's API.
const VERSION: &str = "2010-05-15";

/// The parameters of a call in the Query protocol, in order.
pub type QueryParameters = Vec<(String, String)>;

impl Clients {
    /// Makes a call of CloudFormation that reads, and returns its result.
    ///
    /// # Errors
    /// The call's own.
    pub async fn read_stacks(
        &self,
        call: StackRead,
        parameters: &QueryParameters,
    ) -> Result<XmlElement, AwsError> {
        query(self, call.action(), parameters).await
    }
}

impl WriteClients {
    /// Makes a call of CloudFormation that changes something, and returns its result.
    ///
    /// # Errors
    /// The call's own.
    pub async fn write_stacks(
        &self,
        call: StackWrite,
        parameters: &QueryParameters,
    ) -> Result<XmlElement, AwsError> {
        query(self, call.action(), parameters).await
    }
}

/// Makes a call in the Query protocol, and returns the `…Result` of its response.
///
/// Source: the Smithy model `cloudformation` (AWS Query).
async fn query(
    clients: &Clients,
    action: &'static str,
    parameters: &QueryParameters,
) -> Result<XmlElement, AwsError> {
    let form = Form {
        action,
        service_id: "CloudFormation",
        signing_name: "cloudformation",
        method: Method::POST,
        path: "/",
        content_type: "application/x-www-form-urlencoded",
        target: None,
    };
    let operation = form.operation();
    let (path, body) = (form.path.to_owned(), encoded(operation, parameters));
    let response = transmit(clients, form, path, body, deserialize).await?;
    Ok(response.into_child(&format!("{operation}Result")).unwrap_or_default())
}

fn encoded(operation: &str, parameters: &QueryParameters) -> Vec<u8> {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.append_pair("Action", operation).append_pair("Version", VERSION);
    body.extend_pairs(parameters);
    body.finish().into_bytes()
}

/// The response of the Query protocol, or AWS's error.
fn deserialize(response: &HttpResponse) -> Result<XmlElement, OrchestratorError<ErrorMetadata>> {
    let bytes = response.body().bytes().unwrap_or_default();
    let document = XmlElement::parse(bytes);
    if response.status().is_success() {
        return document.map_err(OrchestratorError::other);
    }
    // What is not XML, such as the page of a proxy, has no code.
    let document = document.unwrap_or_default();
    let text = |name: &str| document.child("Error").and_then(|error| error.text(name));
    let mut error = ErrorMetadata::builder();
    if let Some(code) = text("Code") {
        error = error.code(code);
    }
    if let Some(message) = text("Message") {
        error = error.message(message);
    }
    let header = response.headers().get("x-amzn-requestid");
    if let Some(id) = document.text("RequestId").or(header) {
        error = error.custom("aws_request_id", id);
    }
    Err(OrchestratorError::operation(error.build()))
}
