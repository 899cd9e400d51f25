"""The Glue Data Catalog, Athena's workgroups and named queries, and query definitions of CloudWatch Logs."""

from . import behaviour, outcome

GLUE = "AWS Glue API Reference"
ATHENA = "Athena API Reference"
LOGS = "CloudWatch Logs API Reference"
IN_GLUE, IN_ATHENA, IN_LOGS = ("glue",), ("athena",), ("query-definitions",)


def database(t, **more):
    """A new database; its name."""
    name = t.name("db").replace("-", "_")
    t.client("glue").create_database(DatabaseInput={"Name": name, **more})
    return name


def table(t, database_name, name="logs", **more):
    columns = [{"Name": "eventname", "Type": "string"}]
    storage = {"Columns": columns, "Location": "s3://bucket/logs/", **more}
    return {"DatabaseName": database_name, "TableInput": {"Name": name, "StorageDescriptor": storage,
                                                          "Parameters": {"projection.enabled": "true"}}}


def workgroup(t, **configuration):
    """A new workgroup; its name."""
    name = t.name("group")
    t.client("athena").create_work_group(Name=name, Configuration=configuration)
    return name


def query(t, group, name="q"):
    """A new named query; its id."""
    return t.client("athena").create_named_query(
        Name=name, Database="db", QueryString="SELECT 1", WorkGroup=group)["NamedQueryId"]


@behaviour("glue-database-missing", "a database that does not exist is not found", "EntityNotFoundException", f"{GLUE}: GetDatabase", needs=IN_GLUE)
def database_missing(t):
    return outcome(t.client("glue").get_database, Name="none")


@behaviour("glue-database-twice", "a database is created once", "AlreadyExistsException", f"{GLUE}: CreateDatabase", needs=IN_GLUE)
def database_twice(t):
    return outcome(t.client("glue").create_database, DatabaseInput={"Name": database(t)})


@behaviour("glue-parameters", "a database keeps its parameters", "o-1", f"{GLUE}: DatabaseInput", needs=IN_GLUE)
def parameters(t):
    name = database(t, Parameters={"owner": "o-1"})
    return t.client("glue").get_database(Name=name)["Database"]["Parameters"]["owner"]


@behaviour("glue-table-without-database", "a table needs its database", "EntityNotFoundException", f"{GLUE}: CreateTable", needs=IN_GLUE)
def table_without_database(t):
    return outcome(t.client("glue").create_table, **table(t, "none"))


@behaviour("glue-table-twice", "a table is created once", "AlreadyExistsException", f"{GLUE}: CreateTable", needs=IN_GLUE)
def table_twice(t):
    name = database(t)
    t.client("glue").create_table(**table(t, name))
    return outcome(t.client("glue").create_table, **table(t, name))


@behaviour("glue-table-missing", "a table that does not exist is neither read, updated nor deleted",
           "EntityNotFoundException EntityNotFoundException EntityNotFoundException", f"{GLUE}: GetTable, UpdateTable, DeleteTable", needs=IN_GLUE)
def table_missing(t):
    name, glue = database(t), t.client("glue")
    return " ".join([outcome(glue.get_table, DatabaseName=name, Name="none"), outcome(glue.update_table, **table(t, name, "none")),
                     outcome(glue.delete_table, DatabaseName=name, Name="none")])


@behaviour("glue-update-replaces", "updating a table replaces all of it", "no columns, no parameters", f"{GLUE}: UpdateTable", needs=IN_GLUE)
def update_replaces(t):
    name, glue = database(t), t.client("glue")
    glue.create_table(**table(t, name))
    glue.update_table(DatabaseName=name, TableInput={"Name": "logs"})
    found = glue.get_table(DatabaseName=name, Name="logs")["Table"]
    columns = found.get("StorageDescriptor", {}).get("Columns")
    return f"{'columns' if columns else 'no columns'}, {'parameters' if found.get('Parameters') else 'no parameters'}"


@behaviour("glue-tables-of-a-database", "the tables of a database are listed, and deleted with it", "a b, EntityNotFoundException",
           f"{GLUE}: GetTables, DeleteDatabase", needs=IN_GLUE)
def tables_of(t):
    name, glue = database(t), t.client("glue")
    for one in ("b", "a"):
        glue.create_table(**table(t, name, one))
    listed = sorted(one["Name"] for one in glue.get_tables(DatabaseName=name)["TableList"])
    glue.delete_database(Name=name)
    return f"{' '.join(listed)}, {outcome(glue.get_table, DatabaseName=name, Name='a')}"


@behaviour("athena-workgroup-missing", "a workgroup that does not exist is an invalid request", "InvalidRequestException", f"{ATHENA}: GetWorkGroup", needs=IN_ATHENA)
def workgroup_missing(t):
    return outcome(t.client("athena").get_work_group, WorkGroup=t.name("none"))


@behaviour("athena-primary", "every account has the workgroup `primary`, and keeps it", "ENABLED InvalidRequestException",
           f"{ATHENA}: DeleteWorkGroup", needs=IN_ATHENA)
def primary(t):
    found = t.client("athena").get_work_group(WorkGroup="primary")["WorkGroup"]["State"]
    return f"{found} {outcome(t.client('athena').delete_work_group, WorkGroup='primary')}"


@behaviour("athena-workgroup-twice", "a workgroup is created once", "InvalidRequestException", f"{ATHENA}: CreateWorkGroup", needs=IN_ATHENA)
def workgroup_twice(t):
    return outcome(t.client("athena").create_work_group, Name=workgroup(t))


@behaviour("athena-update-workgroup", "an update changes what it names, and keeps the rest", "20000000 s3://bucket/results/ DISABLED",
           f"{ATHENA}: UpdateWorkGroup", needs=IN_ATHENA)
def update_workgroup(t):
    name, athena = workgroup(t, ResultConfiguration={"OutputLocation": "s3://bucket/results/"}), t.client("athena")
    athena.update_work_group(WorkGroup=name, State="DISABLED", ConfigurationUpdates={"BytesScannedCutoffPerQuery": 20_000_000})
    found = athena.get_work_group(WorkGroup=name)["WorkGroup"]
    configuration = found["Configuration"]
    return f"{configuration['BytesScannedCutoffPerQuery']} {configuration['ResultConfiguration']['OutputLocation']} {found['State']}"


@behaviour("athena-not-empty", "a workgroup with a query is deleted only with it", "InvalidRequestException ok", f"{ATHENA}: DeleteWorkGroup", needs=IN_ATHENA)
def not_empty(t):
    name, athena = workgroup(t), t.client("athena")
    query(t, name)
    first = outcome(athena.delete_work_group, WorkGroup=name)
    return f"{first} {outcome(athena.delete_work_group, WorkGroup=name, RecursiveDeleteOption=True)}"


@behaviour("athena-workgroup-tags", "the tags of a workgroup are those that it was created with", "v", f"{ATHENA}: ListTagsForResource", needs=IN_ATHENA)
def workgroup_tags(t):
    name, athena = t.name("group"), t.client("athena")
    athena.create_work_group(Name=name, Tags=[{"Key": "k", "Value": "v"}])
    arn = f"arn:aws:athena:us-east-1:{t.main_account}:workgroup/{name}"
    return " ".join(tag["Value"] for tag in athena.list_tags_for_resource(ResourceARN=arn)["Tags"])


@behaviour("athena-named-query", "a named query is listed by its workgroup and read by its id", "1 SELECT 1", f"{ATHENA}: ListNamedQueries, GetNamedQuery", needs=IN_ATHENA)
def named_query(t):
    group, athena = workgroup(t), t.client("athena")
    query(t, group)
    ids = athena.list_named_queries(WorkGroup=group)["NamedQueryIds"]
    return f"{len(ids)} {athena.get_named_query(NamedQueryId=ids[0])['NamedQuery']['QueryString']}"


@behaviour("athena-named-query-elsewhere", "a named query needs its workgroup", "InvalidRequestException", f"{ATHENA}: CreateNamedQuery", needs=IN_ATHENA)
def named_query_elsewhere(t):
    return outcome(query, t, t.name("none"))


@behaviour("athena-named-query-unprocessed", "an id of no named query is reported, and the call succeeds", "0 1", f"{ATHENA}: BatchGetNamedQuery", needs=IN_ATHENA)
def unprocessed(t):
    answer = t.client("athena").batch_get_named_query(NamedQueryIds=["11111111-2222-4333-8444-555555555555"])
    return f"{len(answer['NamedQueries'])} {len(answer['UnprocessedNamedQueryIds'])}"


@behaviour("logs-query-definition", "a query definition is saved, replaced by its id, and deleted", "fields @timestamp 1 0",
           f"{LOGS}: PutQueryDefinition", needs=IN_LOGS)
def query_definition(t):
    name, logs = t.name("folder") + "/q", t.client("logs")

    def found():
        return logs.describe_query_definitions(queryDefinitionNamePrefix=name)["queryDefinitions"]

    identity = logs.put_query_definition(name=name, queryString="fields @message")["queryDefinitionId"]
    logs.put_query_definition(name=name, queryString="fields @timestamp", queryDefinitionId=identity)
    saved = found()
    logs.delete_query_definition(queryDefinitionId=identity)
    return f"{saved[0]['queryString']} {len(saved)} {len(found())}"


@behaviour("logs-query-definition-missing", "an id of no query definition is refused", "ResourceNotFoundException", f"{LOGS}: DeleteQueryDefinition", needs=IN_LOGS)
def query_definition_missing(t):
    return outcome(t.client("logs").delete_query_definition, queryDefinitionId="11111111-2222-4333-8444-555555555555")
