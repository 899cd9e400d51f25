use super::inputs::Inputs;
use super::item::Item;
use crate::aws::{At as _, AwsError};

const ID: &str = "service-linked-role";
const NAME: &str = "AWSServiceRoleForCloudTrail";
const PATH: &str = "/aws-service-role/cloudtrail.amazonaws.com/";

pub(super) async fn examine(inputs: &Inputs<'_>) -> Vec<Item> {
    vec![match exists(inputs).await {
        Ok(true) => Item::ok(ID, format!("{NAME} exists")),
        Ok(false) => Item::problem(
            ID,
            format!("{NAME} does not exist: CloudTrail cannot create an organization trail"),
            "orgtrail apply; or aws iam create-service-linked-role --aws-service-name cloudtrail.amazonaws.com",
        ),
        Err(error) => Item::unread(ID, &error),
    }]
}

async fn exists(inputs: &Inputs<'_>) -> Result<bool, AwsError> {
    let clients = inputs.clients();
    let roles = clients.iam().list_roles().path_prefix(PATH).into_paginator().items().send();
    let roles = roles.collect::<Result<Vec<_>, _>>().await.at(&clients, "iam:ListRoles")?;
    Ok(roles.iter().any(|role| role.path == PATH))
}
