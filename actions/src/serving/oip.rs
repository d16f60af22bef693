//! The open inference protocol, version 2 over REST: requests and answers as values.
//!
//! Source: the specification at kserve/open-inference-protocol (`specification/protocol/inference_rest.md`).

use super::rows::ROWS_MAX;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Name of the only output.
const OUTPUT: &str = "probability";

/// An inference request. Unknown keys are an error; `parameters` are accepted and mean nothing here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InferRequest {
    /// Given back in the answer.
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default, rename = "parameters")]
    _parameters: Map<String, Value>,
    inputs: Vec<Tensor>,
    #[serde(default)]
    outputs: Vec<WantedOutput>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default, rename = "parameters")]
    _parameters: Map<String, Value>,
    data: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedOutput {
    name: String,
    #[serde(default, rename = "parameters")]
    _parameters: Map<String, Value>,
}

/// Reads a request: rows in the order of `features`.
///
/// # Errors
/// The client's fault, in words.
pub(super) fn parse(
    body: &[u8],
    features: &[String],
) -> Result<(Option<String>, Vec<Vec<f64>>), String> {
    let request: InferRequest = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if let Some(other) = request.outputs.iter().find(|wanted| wanted.name != OUTPUT) {
        return Err(format!("there is no output {:?}; the only one is {OUTPUT:?}", other.name));
    }
    let rows = match request.inputs.as_slice() {
        [] => return Err("no inputs".to_owned()),
        [only] if only.shape.len() == 2 && (features.len() != 1 || only.name != features[0]) => {
            matrix(only, features.len())?
        }
        tensors => columns(tensors, features)?,
    };
    if rows.is_empty() || rows.len() > ROWS_MAX {
        return Err(format!("{} rows; send 1 to {ROWS_MAX}", rows.len()));
    }
    Ok((request.id, rows))
}

/// One tensor `[n, k]` whose columns are the features in the model's order.
fn matrix(tensor: &Tensor, width: usize) -> Result<Vec<Vec<f64>>, String> {
    if tensor.shape[1] != width {
        return Err(format!(
            "input {:?} has shape {:?}; the model has {width} features, so [-1, {width}] is needed",
            tensor.name, tensor.shape
        ));
    }
    Ok(numbers(tensor)?.chunks(width.max(1)).map(<[f64]>::to_vec).collect())
}

/// One tensor `[n]` or `[n, 1]` a feature.
fn columns(tensors: &[Tensor], features: &[String]) -> Result<Vec<Vec<f64>>, String> {
    let height = tensors[0].shape.first().copied().unwrap_or(0);
    for tensor in tensors {
        if !features.contains(&tensor.name) {
            let known = features.join(", ");
            return Err(format!("the model has no feature {:?}; it has {known}", tensor.name));
        }
        if !matches!(tensor.shape.as_slice(), [n] | [n, 1] if *n == height) {
            let (name, shape) = (&tensor.name, &tensor.shape);
            return Err(format!("input {name:?} has shape {shape:?}, not [{height}]"));
        }
    }
    let mut columns = Vec::with_capacity(features.len());
    for name in features {
        let mut named = tensors.iter().filter(|tensor| tensor.name == *name);
        match (named.next(), named.next()) {
            (Some(tensor), None) => columns.push(numbers(tensor)?),
            (None, _) => return Err(format!("input {name:?} is missing")),
            (Some(_), Some(_)) => return Err(format!("input {name:?} is there twice")),
        }
    }
    Ok((0..height).map(|row| columns.iter().map(|column| column[row]).collect()).collect())
}

/// The tensor's numbers, row by row. Data may be flat or nested.
fn numbers(tensor: &Tensor) -> Result<Vec<f64>, String> {
    let name = &tensor.name;
    if !matches!(tensor.datatype.as_str(), "FP64" | "FP32" | "INT64" | "INT32") {
        let kind = &tensor.datatype;
        return Err(format!("input {name:?} has datatype {kind:?}; FP64 is needed"));
    }
    let mut flat = Vec::with_capacity(tensor.data.len());
    for value in &tensor.data {
        match value {
            Value::Array(inner) => flat.extend(inner.iter().map(Value::as_f64)),
            value => flat.push(value.as_f64()),
        }
    }
    let wanted = tensor.shape.iter().try_fold(1_usize, |size, side| size.checked_mul(*side));
    if wanted != Some(flat.len()) {
        let (shape, count) = (&tensor.shape, flat.len());
        return Err(format!("input {name:?} has shape {shape:?} and {count} values"));
    }
    let all: Option<Vec<f64>> = flat.into_iter().collect();
    all.ok_or_else(|| format!("input {name:?} holds something that is not a number"))
}

/// The answer to an inference.
pub(super) fn answer(model: &str, version: &str, id: Option<&str>, probabilities: &[f64]) -> Value {
    let mut answer = Map::new();
    answer.insert("model_name".to_owned(), json!(model));
    answer.insert("model_version".to_owned(), json!(version));
    if let Some(id) = id {
        answer.insert("id".to_owned(), json!(id));
    }
    let output = json!({
        "name": OUTPUT, "shape": [probabilities.len()], "datatype": "FP64", "data": probabilities,
    });
    answer.insert("outputs".to_owned(), json!([output]));
    Value::Object(answer)
}

/// The model's metadata: one input a feature.
pub(super) fn metadata(model: &str, version: &str, features: &[String]) -> Value {
    let input = |name: &String| json!({ "name": name, "datatype": "FP64", "shape": [-1] });
    json!({
        "name": model,
        "versions": [version],
        "platform": "pawl",
        "inputs": features.iter().map(input).collect::<Vec<_>>(),
        "outputs": [{ "name": OUTPUT, "datatype": "FP64", "shape": [-1] }],
    })
}

#[cfg(test)]
mod tests {
    use super::{answer, parse};
    use serde_json::{Value, json};

    fn infer(request: &Value) -> Result<Vec<Vec<f64>>, String> {
        let features = ["a".to_owned(), "b".to_owned()];
        parse(request.to_string().as_bytes(), &features).map(|(_, rows)| rows)
    }

    fn tensor(name: &str, shape: &Value, data: &Value) -> Value {
        json!({ "name": name, "shape": shape, "datatype": "FP64", "data": data })
    }

    #[test]
    fn a_matrix_may_be_flat_or_nested() {
        for data in [json!([1, 2, 3, 4]), json!([[1, 2], [3, 4]])] {
            let request = json!({ "inputs": [tensor("x", &json!([2, 2]), &data)] });
            assert_eq!(infer(&request).unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
        }
    }

    #[test]
    fn named_tensors_are_put_in_the_models_order() {
        let request = json!({ "id": "7", "inputs": [
            tensor("b", &json!([2]), &json!([2, 4])),
            tensor("a", &json!([2, 1]), &json!([[1], [3]])),
        ]});
        assert_eq!(infer(&request).unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
    }

    #[test]
    fn wrong_requests_are_refused_by_name() {
        let cases = [
            (json!([tensor("x", &json!([1, 3]), &json!([1, 2, 3]))]), "the model has 2 features"),
            (json!([tensor("x", &json!([2, 2]), &json!([1, 2, 3]))]), "and 3 values"),
            (json!([tensor("a", &json!([1]), &json!([1]))]), "input \"b\" is missing"),
            (json!([tensor("c", &json!([1]), &json!([1]))]), "no feature \"c\""),
            (json!([tensor("x", &json!([1, 2]), &json!([1, null]))]), "not a number"),
            (json!([]), "no inputs"),
            (
                json!([{ "name": "x", "shape": [1, 2], "datatype": "BYTES", "data": ["1", "2"] }]),
                "BYTES",
            ),
            (json!([tensor("x", &json!([u64::MAX, 2]), &json!([]))]), "and 0 values"),
        ];
        for (inputs, message) in cases {
            let refused = infer(&json!({ "inputs": inputs })).unwrap_err();
            assert!(refused.contains(message), "{refused}");
        }
        let outputs = json!({ "inputs": [tensor("x", &json!([1, 2]), &json!([1, 2]))], "outputs": [{"name": "y"}] });
        assert!(infer(&outputs).unwrap_err().contains("no output \"y\""));
    }

    #[test]
    fn the_answer_gives_the_id_back_and_prints_exact_numbers() {
        let value = answer("m", "3", Some("x-1"), &[0.1 + 0.2]);
        assert_eq!(
            value.to_string(),
            r#"{"model_name":"m","model_version":"3","id":"x-1","outputs":[{"name":"probability","shape":[1],"datatype":"FP64","data":[0.30000000000000004]}]}"#
        );
    }
}
