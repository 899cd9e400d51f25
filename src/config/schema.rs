use schemars::Schema;
use schemars::generate::SchemaSettings;

use super::Config;
use super::read::Read as _;

impl Config {
    /// The JSON Schema of `orgtrail.toml`, draft 2020-12, with each key's
    /// description and default.
    #[must_use]
    pub fn json_schema() -> Schema {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let mut schema = Self::schema(&mut generator);
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        schema.insert("$schema".to_owned(), dialect.into());
        schema.insert("title".to_owned(), "orgtrail.toml".into());
        schema
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// Calls `visit` on every property below a schema, with its path.
    fn properties(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
        if let Some(map) = schema["properties"].as_object() {
            for (key, property) in map {
                let path = crate::config::read::join(path, key);
                visit(&path, property);
                properties(property, &path, visit);
            }
        }
        let inner = [&schema["items"], &schema["additionalProperties"]];
        for inner in inner.into_iter().filter(|inner| inner.is_object()) {
            properties(inner, path, visit);
        }
    }

    #[test]
    fn every_key_is_described_and_typed() {
        let mut keys = 0;
        properties(&Config::json_schema().to_value(), "", &mut |path, property| {
            keys += 1;
            assert!(property["description"].as_str().is_some_and(|d| d.len() > 10), "{path}");
            assert!(
                property["type"].is_string() || property["oneOf"].is_array(),
                "{path}: {property}"
            );
        });
        assert!(keys > 80, "{keys}");
    }

    #[test]
    fn no_table_takes_unknown_keys() {
        properties(&Config::json_schema().to_value(), "", &mut |path, property| {
            if property["properties"].is_object() {
                assert_eq!(property["additionalProperties"], false, "{path}");
            }
        });
    }

    #[test]
    fn the_schemas_defaults_are_the_configs() {
        let config: Config = crate::config::SMALLEST.parse().unwrap();
        let effective = serde_json::to_value(&config).unwrap();
        properties(&Config::json_schema().to_value(), "", &mut |path, property| {
            let pointer = format!("/{}", path.replace('.', "/"));
            if let (Some(default), Some(value)) =
                (property.get("default"), effective.pointer(&pointer))
            {
                assert_eq!(default, value, "{path}");
            }
        });
        assert_eq!(
            Config::json_schema().to_value()["properties"]["archive"]["properties"]["retention_days"]
                ["default"],
            2557
        );
    }
}
