//! The serving protocols in the API document. Their own specifications are the reference; what stands here is enough to find the
//! paths and to call them.

use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};

/// Returns the paths.
pub(super) fn openapi() -> OpenApi {
    Documented::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        tfs_predict,
        tfs_predict_version,
        tfs_predict_label,
        tfs_status,
        tfs_status_version,
        tfs_status_label,
        tfs_metadata,
        tfs_metadata_version,
        tfs_metadata_label,
        oip_server,
        oip_live,
        oip_ready,
        oip_metadata,
        oip_model_ready,
        oip_infer,
        oip_version_metadata,
        oip_version_ready,
        oip_version_infer
    ),
    components(schemas(Refused))
)]
struct Documented;

/// How both protocols refuse.
#[derive(Serialize, ToSchema)]
struct Refused {
    /// What is wrong.
    error: String,
}

/// Documents handlers that answer with JSON, or refuse with 4XX.
macro_rules! documented {
    ($($(#[doc = $doc:literal])+ $name:ident: $method:ident $path:literal, $tag:literal, ($($param:tt)*) $(, body $example:literal)?;)+) => {
        $(
            $(#[doc = $doc])+
            #[utoipa::path($method, path = $path, tag = $tag, params($($param)*),
                $(request_body(content = serde_json::Value, content_type = "application/json", description = $example),)?
                responses((status = 200, body = serde_json::Value, content_type = "application/json"),
                    (status = "4XX", body = Refused, content_type = "application/json")))]
            #[expect(dead_code, reason = "its documentation is what counts")]
            fn $name() {}
        )+
    };
}

documented! {
    /// Predicts with the champion.
    tfs_predict: post "/v1/models/{model}:predict", "serving (TensorFlow Serving)", (("model" = String, Path)),
        body "{\"instances\": [...]} by rows or {\"inputs\": {...}} by columns";
    /// Predicts with a version.
    tfs_predict_version: post "/v1/models/{model}/versions/{version}:predict", "serving (TensorFlow Serving)",
        (("model" = String, Path), ("version" = i64, Path)), body "{\"instances\": [...]} by rows or {\"inputs\": {...}} by columns";
    /// Predicts with the version that an alias points at.
    tfs_predict_label: post "/v1/models/{model}/labels/{label}:predict", "serving (TensorFlow Serving)",
        (("model" = String, Path), ("label" = String, Path)), body "{\"instances\": [...]} by rows or {\"inputs\": {...}} by columns";
    /// Lists the versions that are loaded.
    tfs_status: get "/v1/models/{model}", "serving (TensorFlow Serving)", (("model" = String, Path));
    /// Tells whether a version is loaded.
    tfs_status_version: get "/v1/models/{model}/versions/{version}", "serving (TensorFlow Serving)",
        (("model" = String, Path), ("version" = i64, Path));
    /// Tells which version an alias points at.
    tfs_status_label: get "/v1/models/{model}/labels/{label}", "serving (TensorFlow Serving)",
        (("model" = String, Path), ("label" = String, Path));
    /// Returns the champion's inputs and outputs.
    tfs_metadata: get "/v1/models/{model}/metadata", "serving (TensorFlow Serving)", (("model" = String, Path));
    /// Returns the inputs and outputs of a version.
    tfs_metadata_version: get "/v1/models/{model}/versions/{version}/metadata", "serving (TensorFlow Serving)",
        (("model" = String, Path), ("version" = i64, Path));
    /// Returns the inputs and outputs of the version that an alias points at.
    tfs_metadata_label: get "/v1/models/{model}/labels/{label}/metadata", "serving (TensorFlow Serving)",
        (("model" = String, Path), ("label" = String, Path));
    /// Names the server.
    oip_server: get "/v2", "serving (Open Inference)", ();
    /// Tells that the server runs.
    oip_live: get "/v2/health/live", "serving (Open Inference)", ();
    /// Tells whether the server is ready.
    oip_ready: get "/v2/health/ready", "serving (Open Inference)", ();
    /// Returns the champion's inputs and outputs.
    oip_metadata: get "/v2/models/{model}", "serving (Open Inference)", (("model" = String, Path));
    /// Tells whether the champion is loaded.
    oip_model_ready: get "/v2/models/{model}/ready", "serving (Open Inference)", (("model" = String, Path));
    /// Predicts with the champion.
    oip_infer: post "/v2/models/{model}/infer", "serving (Open Inference)", (("model" = String, Path)),
        body "{\"inputs\": [{\"name\", \"shape\", \"datatype\", \"data\"}]}";
    /// Returns the inputs and outputs of a version.
    oip_version_metadata: get "/v2/models/{model}/versions/{version}", "serving (Open Inference)",
        (("model" = String, Path), ("version" = i64, Path));
    /// Tells whether a version is loaded.
    oip_version_ready: get "/v2/models/{model}/versions/{version}/ready", "serving (Open Inference)",
        (("model" = String, Path), ("version" = i64, Path));
    /// Predicts with a version.
    oip_version_infer: post "/v2/models/{model}/versions/{version}/infer", "serving (Open Inference)",
        (("model" = String, Path), ("version" = i64, Path)), body "{\"inputs\": [{\"name\", \"shape\", \"datatype\", \"data\"}]}";
}
