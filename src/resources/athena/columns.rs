//! The columns of CloudTrail's log files.
//!
//! Source: Athena User Guide, "Create the table for CloudTrail logs in Athena using partition
//! projection"; CloudTrail User Guide, "CloudTrail record contents" for `sourceidentity`.

/// The columns that are text: also those that are objects in log files, which the input format
/// of CloudTrail turns into text.
const TEXTS: [&str; 25] = [
    "eventversion",
    "eventtime",
    "eventsource",
    "eventname",
    "awsregion",
    "sourceipaddress",
    "useragent",
    "errorcode",
    "errormessage",
    "requestparameters",
    "responseelements",
    "additionaleventdata",
    "requestid",
    "eventid",
    "readonly",
    "eventtype",
    "apiversion",
    "recipientaccountid",
    "serviceeventdetails",
    "sharedeventid",
    "vpcendpointid",
    "vpcendpointaccountid",
    "eventcategory",
    "sessioncredentialfromconsole",
    "edgedevicedetails",
];

fn structure(members: &[(&str, &str)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(name, kind)| format!("{name}:{kind}")).collect();
    format!("struct<{}>", members.join(","))
}

fn texts(names: &[&str]) -> String {
    structure(&names.iter().map(|name| (*name, "string")).collect::<Vec<_>>())
}

/// The type of `userIdentity`.
fn user_identity() -> String {
    let federation =
        structure(&[("federatedprovider", "string"), ("attributes", "map<string,string>")]);
    let session = structure(&[
        ("attributes", &texts(&["mfaauthenticated", "creationdate"])),
        ("sessionissuer", &texts(&["type", "principalid", "arn", "accountid", "username"])),
        ("ec2roledelivery", "string"),
        ("webidfederationdata", &federation),
        ("sourceidentity", "string"),
    ]);
    structure(&[
        ("type", "string"),
        ("principalid", "string"),
        ("arn", "string"),
        ("accountid", "string"),
        ("invokedby", "string"),
        ("accesskeyid", "string"),
        ("username", "string"),
        ("onbehalfof", &texts(&["userid", "identitystorearn"])),
        ("sessioncontext", &session),
    ])
}

/// The columns and their types.
pub(super) fn columns() -> Vec<(&'static str, String)> {
    let mut columns: Vec<(&str, String)> = vec![
        ("useridentity", user_identity()),
        ("resources", format!("array<{}>", texts(&["arn", "accountid", "type"]))),
        ("addendum", texts(&["reason", "updatedfields", "originalrequestid", "originaleventid"])),
        ("tlsdetails", texts(&["tlsversion", "ciphersuite", "clientprovidedhostheader"])),
    ];
    columns.extend(TEXTS.map(|name| (name, "string".to_owned())));
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_types_are_written_as_glue_reads_them() {
        let columns = columns();
        let of = |name: &str| &columns.iter().find(|(column, _)| *column == name).unwrap().1;
        assert_eq!(of("eventtime"), "string");
        assert_eq!(of("resources"), "array<struct<arn:string,accountid:string,type:string>>");
        let identity = of("useridentity");
        for part in [
            "struct<type:string,principalid:string,",
            "onbehalfof:struct<userid:string,identitystorearn:string>",
            "ec2roledelivery:string",
            "webidfederationdata:struct<federatedprovider:string,attributes:map<string,string>>",
        ] {
            assert!(identity.contains(part), "{part}: {identity}");
        }
        let opened = identity.matches('<').count();
        assert_eq!(opened, identity.matches('>').count());
        // Glue's limit of a type.
        assert!(columns.iter().all(|(_, kind)| kind.len() <= 131_072));
    }
}
