//! The JSON Schema of the file, from the very structs that it is read into.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::raw::RawFile;

/// The schema, for editors that complete and check TOML by one.
#[must_use]
pub fn schema() -> Value {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<RawFile>();
    let mut schema = Value::from(schema);
    plain(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), json!("vipd.toml"));
    }
    schema
}

/// What Rust's types say and TOML's do not: there is no `null`, and how an integer is held in memory
/// is nobody's concern.
fn plain(value: &mut Value) {
    match value {
        Value::Object(object) => {
            without_null(object);
            object.remove("format");
            object.values_mut().for_each(plain);
            or_variable(object);
        }
        Value::Array(list) => list.iter_mut().for_each(plain),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn without_null(object: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        if let [Value::Object(only)] = &choices[..] {
            let only = only.clone();
            object.remove("anyOf");
            object.extend(only);
        }
    }
}

/// One of a few words may be left to the environment.
fn or_variable(object: &mut Map<String, Value>) {
    if object.get("type") == Some(&json!("string"))
        && let Some(words) = object.remove("enum")
    {
        let variable = json!({ "pattern": "\\$\\{" });
        object.insert("anyOf".to_owned(), json!([{ "enum": words }, variable]));
    }
}
