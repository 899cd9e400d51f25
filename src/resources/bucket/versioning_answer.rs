use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

/// Accepts the response of servers that name the root element of `GetBucketVersioning`
/// after the call: the SDK requires the name that S3 uses.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnyVersioningRoot;

impl Intercept for AnyVersioningRoot {
    fn name(&self) -> &'static str {
        "AnyVersioningRoot"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = std::mem::replace(context.response_mut().body_mut(), SdkBody::taken());
        let renamed = futures::stream::once(async move {
            let bytes = body.collect().await?.to_bytes();
            Ok::<_, BoxError>(Frame::data(renamed(bytes)))
        });
        *context.response_mut().body_mut() = SdkBody::from_body_1_x(StreamBody::new(renamed));
        Ok(())
    }
}

fn renamed(bytes: Bytes) -> Bytes {
    match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("GetBucketVersioningResponse") => {
            text.replace("GetBucketVersioningResponse", "VersioningConfiguration").into()
        }
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_other_name_is_changed() {
        let other =
            "<GetBucketVersioningResponse><Status>Enabled</Status></GetBucketVersioningResponse>";
        let s3 = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        assert_eq!(renamed(Bytes::from(other)), s3);
        assert_eq!(renamed(Bytes::from(s3)), s3);
        assert_eq!(renamed(Bytes::from_static(&[0xff])), [0xff_u8].as_slice());
    }
}
