"""The prompt registry, which rides on registered models."""

import time
import uuid

from common import client, mlflow, refused

tail = uuid.uuid4().hex[:6]
hello, chat = f"hello-{tail}", f"chat-{tail}"

first = client.register_prompt(hello, "Hello {{name}}", commit_message="start", tags={"author": "ann"})
assert (first.name, first.version, first.template, first.commit_message) == (hello, 1, "Hello {{name}}", "start")
second = client.register_prompt(hello, "Good day {{name}}", tags={"author": "bob"})
assert second.version == 2
loaded = client.load_prompt(f"prompts:/{hello}/1")
assert loaded.format(name="sea") == "Hello sea" and loaded.tags == {"author": "ann"}, loaded.tags
assert client.load_prompt(hello).version == 2
talk = client.register_prompt(chat, [{"role": "user", "content": "{{question}}"}], response_format={"type": "string"})
assert client.load_prompt(chat, version=1).template == [{"role": "user", "content": "{{question}}"}]
assert client.load_prompt(chat, version=1).response_format == {"type": "string"}

# aliases
client.set_prompt_alias(hello, "production", 1)
assert client.load_prompt(f"prompts:/{hello}@production").version == 1
client.set_prompt_alias(hello, "production", 2)
assert client.load_prompt(f"prompts:/{hello}@production").template == "Good day {{name}}"
assert client.get_prompt_version(hello, "2").aliases == ["production"]
client.delete_prompt_alias(hello, "production")
refused("no such alias", "INVALID_PARAMETER_VALUE", client.load_prompt, f"prompts:/{hello}@production")
refused("an alias of no version", "RESOURCE_DOES_NOT_EXIST", client.set_prompt_alias, hello, "production", 9)

# tags
client.set_prompt_tag(hello, "team", "tides")
# the client notes the experiment in a tag on its own time
for _ in range(100):
    tags = client.get_prompt(hello).tags
    if "_mlflow_experiment_ids" in tags:
        break
    time.sleep(0.1)
assert (tags["author"], tags["team"]) == ("bob", "tides"), tags
client.delete_prompt_tag(hello, "team")
assert "team" not in client.get_prompt(hello).tags
client.set_prompt_version_tag(hello, 1, "note", "good")
assert client.get_prompt_version(hello, 1).tags["note"] == "good"
client.delete_prompt_version_tag(hello, 1, "note")
assert "note" not in client.get_prompt_version(hello, 1).tags

# found by who looks for prompts, and by nobody else
names = [p.name for p in client.search_prompts(f"name LIKE '%{tail}'")]
assert names == [chat, hello], names
assert [p.name for p in client.search_prompts(f"name LIKE '%{tail}' AND tags.author = 'bob'")] == [hello]
assert [p.version for p in client.search_prompt_versions(hello)] == [2, 1]
page = client.search_prompts(f"name LIKE '%{tail}'", max_results=1)
assert [p.name for p in page] == [chat]
assert [p.name for p in client.search_prompts(f"name LIKE '%{tail}'", max_results=1, page_token=page.token)] == [hello]
assert client.search_registered_models(f"name LIKE '%{tail}'") == []
assert client.search_model_versions(f"name = '{hello}'") == []

# a name is a prompt or a model
client.create_registered_model(f"model-{tail}")
refused("a prompt of that name", "RESOURCE_ALREADY_EXISTS", client.create_registered_model, hello)
refused("a model of that name", "INVALID_PARAMETER_VALUE", client.register_prompt, f"model-{tail}", "x")
refused("a prompt as a source", "INVALID_PARAMETER_VALUE", client.create_model_version, f"model-{tail}", f"models:/{hello}/1")
refused("too long", "INVALID_PARAMETER_VALUE", client.register_prompt, hello, "x" * 100_001)
assert client.get_prompt(f"model-{tail}") is None
refused("no such prompt", "RESOURCE_DOES_NOT_EXIST", client.load_prompt, f"prompts:/nothing-{tail}/1", allow_missing=False)

# gone
client.delete_prompt_version(hello, "1")
client.delete_prompt(chat)
assert [p.name for p in client.search_prompts(f"name LIKE '%{tail}'")] == [hello]
assert mlflow.MlflowClient().load_prompt(f"prompts:/{chat}/1", allow_missing=True) is None
print("prompts ok")
