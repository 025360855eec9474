"""Traces: spans by decorators and by hand, tags, searches, assessments, links, deletion; and plain OpenTelemetry exporters."""

import json
import time

from common import IS_SLIPWAY, client, fresh, mlflow, refused, show
from mlflow.entities import AssessmentSource, Feedback, SpanType
from mlflow.entities.span import SpanStatusCode
from mlflow.tracking import MlflowClient

exp = fresh("traces")
mlflow.set_experiment(experiment_id=exp)


@mlflow.trace(span_type=SpanType.CHAIN, attributes={"kind": "sum", "n": 3, "deep": {"a": [1, 2.5, None, True]}})
def outer(x, y):
    return inner(x) + inner(y)


@mlflow.trace(name="inner one", span_type=SpanType.TOOL)
def inner(x):
    return x * 2


assert outer(2, 5) == 14
mlflow.flush_trace_async_logging()
first = mlflow.get_last_active_trace_id()
trace = client.get_trace(first)
assert (trace.info.experiment_id, trace.info.state, trace.info.tags["mlflow.traceName"]) == (exp, "OK", "outer"), trace.info
assert json.loads(trace.info.request_preview) == {"x": 2, "y": 5} and trace.info.response_preview == "14"
assert trace.info.tags["mlflow.trace.spansLocation"] == "TRACKING_STORE"
assert trace.info.tags["mlflow.artifactLocation"] == f"mlflow-artifacts:/{exp}/traces/{first}/artifacts"
assert [s.name for s in trace.data.spans] == ["outer", "inner one", "inner one"], trace.data.spans
root, child = trace.data.spans[0], trace.data.spans[1]
assert (root.parent_id, child.parent_id, root.span_type, child.span_type) == (None, root.span_id, "CHAIN", "TOOL")
assert (root.inputs, root.outputs, child.inputs, child.outputs) == ({"x": 2, "y": 5}, 14, {"x": 2}, 4)
assert root.attributes["n"] == 3 and root.attributes["deep"] == {"a": [1, 2.5, None, True]}, root.attributes
assert root.trace_id == first and root.start_time_ns <= child.start_time_ns <= child.end_time_ns <= root.end_time_ns
assert trace.info.execution_duration is not None and trace.info.request_time > 1_700_000_000_000
assert mlflow.get_trace(first).info.trace_id == first

# a failure, with events, under a run
with mlflow.start_run() as run:
    try:
        with mlflow.start_span("broken", attributes={"model": "gpt-x"}) as span:
            span.set_inputs({"question": "why?"})
            raise ValueError("no answer")
    except ValueError:
        pass
mlflow.flush_trace_async_logging()
second = mlflow.get_last_active_trace_id()
broken = client.get_trace(second)
assert broken.info.state == "ERROR" and broken.data.spans[0].status.status_code == SpanStatusCode.ERROR
assert "no answer" in broken.data.spans[0].status.description
event = broken.data.spans[0].events[0]
assert event.name == "exception" and event.attributes["exception.message"] == "no answer", event
assert broken.info.trace_metadata["mlflow.sourceRun"] == run.info.run_id

# metadata, tags, session and user
with mlflow.start_span("chat") as span:
    mlflow.update_current_trace(
        tags={"team": "sea"}, metadata={"mlflow.trace.session": "s1", "mlflow.trace.user": "u1"}, client_request_id="req-1"
    )
    span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
mlflow.flush_trace_async_logging()
third = mlflow.get_last_active_trace_id()
chat = client.get_trace(third)
assert chat.info.client_request_id == "req-1" and chat.info.tags["team"] == "sea"
assert chat.info.trace_metadata["mlflow.trace.session"] == "s1" and chat.info.token_usage["total_tokens"] == 7
client.set_trace_tag(third, "mood", "calm")
client.set_trace_tag(third, "mood", "rough")
assert client.get_trace(third).info.tags["mood"] == "rough"
client.delete_trace_tag(third, "mood")
refused("no such tag", "RESOURCE_DOES_NOT_EXIST", client.delete_trace_tag, third, "mood")
refused("no such trace", "RESOURCE_DOES_NOT_EXIST", client.set_trace_tag, "tr-none", "a", "b")
store = client._tracking_client.store
refused("a tag of the server", "INVALID_PARAMETER_VALUE", store.set_trace_tag, third, "mlflow.trace.spansLocation", "x")
refused("no such trace either", "RESOURCE_DOES_NOT_EXIST", client.get_trace, "tr-none")


def found(filter_string=None, **kwargs):
    return [t.info.trace_id for t in client.search_traces(locations=[exp], filter_string=filter_string, **kwargs)]


# searches
assert found() == [third, second, first]
assert found(order_by=["timestamp ASC"]) == [first, second, third]
assert found("trace.status = 'ERROR'") == [second] and found("status != 'ERROR'") == [third, first]
assert found("name = 'outer'") == [first] and found("trace.name LIKE 'out%'") == [first]
assert found("tags.team = 'sea'") == [third] and found("tags.team IS NULL") == [second, first]
assert found("metadata.`mlflow.trace.session` = 's1'") == [third]
assert found("client_request_id = 'req-1'") == [third]
assert found(f"run_id = '{run.info.run_id}'") == [second]
assert found(f"timestamp_ms <= {chat.info.request_time} AND execution_time_ms >= 0") == [third, second, first]
assert found(f"request_id IN ('{first}', '{third}')") == [third, first]
assert found("span.type = 'TOOL'") == [first] and found("span.name ILIKE 'INNER%' AND span.type = 'CHAIN'") == []
assert found("span.status = 'ERROR'") == [second]
assert found("span.attributes.model LIKE '%gpt%'") == [second]
assert found("trace.text LIKE '%why%'") == [second]
refused("no such field", "INVALID_PARAMETER_VALUE", found, "what = 'x'")
page = client.search_traces(locations=[exp], max_results=2)
assert [t.info.trace_id for t in page] == [third, second] and page.token
rest = client.search_traces(locations=[exp], max_results=2, page_token=page.token)
assert [t.info.trace_id for t in rest] == [first]
assert len(mlflow.search_traces(locations=[exp], return_type="list")) == 3

# what is said about traces
human = AssessmentSource("HUMAN", "critic")
said = mlflow.log_feedback(trace_id=first, name="quality", value=0.75, source=human, rationale="nearly", metadata={"k": "v"})
wanted = mlflow.log_expectation(trace_id=first, name="answer", value={"sum": [14]}, source=human)
back = mlflow.get_assessment(first, said.assessment_id)
assert (back.name, back.value, back.rationale, back.metadata, back.source.source_id) == ("quality", 0.75, "nearly", {"k": "v"}, "critic")
assert mlflow.get_assessment(first, wanted.assessment_id).value == {"sum": [14]}
changed = mlflow.update_assessment(first, said.assessment_id, Feedback(name="quality", value=0.5, rationale="less"))
assert (changed.value, changed.rationale) == (0.5, "less")
newer = mlflow.override_feedback(trace_id=first, assessment_id=said.assessment_id, value=0.9)
assert [a.valid for a in client.get_trace(first).info.assessments if a.name == "quality"].count(True) == 1
assert found("feedback.quality > 0.8") == [first] and found("feedback.quality < 0.8") == []
assert found("expectation.answer IS NOT NULL") == [first]
mlflow.delete_assessment(first, newer.assessment_id)
assert mlflow.get_assessment(first, said.assessment_id).valid
failed = mlflow.log_feedback(trace_id=first, name="judge", error=ValueError("too long"), source=AssessmentSource("LLM_JUDGE", "j"))
assert mlflow.get_assessment(first, failed.assessment_id).error.error_message == "too long"
text = mlflow.log_feedback(trace_id=second, name="safe", value="yes")
assert found("feedback.safe = 'yes'") == [second]
refused("no such assessment", "RESOURCE_DOES_NOT_EXIST", mlflow.get_assessment, first, "a-none")
refused("no such trace to assess", "RESOURCE_DOES_NOT_EXIST", mlflow.log_feedback, trace_id="tr-none", name="x", value=1)

# links
store.link_traces_to_run([first, third], run.info.run_id)
assert found(f"run_id = '{run.info.run_id}'") == [third, second, first]
infos = store.batch_get_trace_infos([third, "tr-none", first])
assert [i.trace_id for i in infos] == [third, first]
assert [t.info.trace_id for t in store.batch_get_traces([first, second])] == [first, second]

# spans by hand, in several threads of a program
span = client.start_trace("by hand", inputs={"a": 1}, experiment_id=exp, tags={"manual": "yes"})
part = client.start_span("part", trace_id=span.trace_id, parent_id=span.span_id, inputs=[1, 2])
client.end_span(part.trace_id, part.span_id, outputs={"b": "ö"})
client.end_trace(span.trace_id, outputs="done", status="OK")
mlflow.flush_trace_async_logging()
manual = client.get_trace(span.trace_id)
assert len(manual.data.spans) == 2 and manual.data.spans[1].outputs == {"b": "ö"} and manual.info.tags["manual"] == "yes"

# many at once
for i in range(60):
    with mlflow.start_span("many", attributes={"i": i}):
        pass
mlflow.flush_trace_async_logging()
assert len(found("name = 'many'", max_results=500)) == 60

# deletion
assert client.delete_traces(exp, trace_ids=[first, "tr-none"]) == 1
refused("a deleted trace", "RESOURCE_DOES_NOT_EXIST", client.get_trace, first)
refused("neither ids nor a time", "INVALID_PARAMETER_VALUE", client.delete_traces, exp)
assert client.delete_traces(exp, max_timestamp_millis=int(time.time() * 1000), max_traces=2) == 2
assert client.delete_traces(exp, max_timestamp_millis=int(time.time() * 1000)) == 61
assert found() == []

# a plain OpenTelemetry exporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Status, StatusCode

import os

headers = {"x-mlflow-experiment-id": exp}
if token := os.environ.get("MLFLOW_TRACKING_TOKEN"):
    headers["authorization"] = f"Bearer {token}"
endpoint = os.environ["MLFLOW_TRACKING_URI"].rstrip("/") + "/v1/traces"
for compression in (Compression.NoCompression, Compression.Gzip, Compression.Deflate):
    provider = TracerProvider(resource=Resource.create({"service.name": "tide-gauge"}))
    exporter = OTLPSpanExporter(endpoint=endpoint, headers=headers, compression=compression)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("gauge")
    with tracer.start_as_current_span("measure", attributes={"depth": 12.5, "ok": True, "names": ["a", "b"], "session.id": "s9"}) as root:
        with tracer.start_as_current_span("wait", links=[Link(root.get_span_context(), {"why": "test"})]) as inner_span:
            inner_span.add_event("wave", {"height": 2})
            inner_span.set_status(Status(StatusCode.ERROR, "too high"))
    assert provider.force_flush()
    id = f"tr-{root.get_span_context().trace_id:032x}"
    trace = client.get_trace(id)
    assert trace.info.state == "OK" and trace.info.tags["service.name"] == "tide-gauge", trace.info
    assert trace.info.trace_metadata["mlflow.trace.session"] == "s9"
    measure, wait = trace.data.spans
    assert (measure.attributes["depth"], measure.attributes["ok"], measure.attributes["names"]) == (12.5, True, ["a", "b"])
    assert (wait.status.status_code, wait.status.description, wait.parent_id) == (SpanStatusCode.ERROR, "too high", measure.span_id)
    assert wait.events[0].attributes["height"] == 2 and wait.links[0].trace_id == id
assert len(found("tags.service.name = 'tide-gauge'")) == 3
print("traces ok")
