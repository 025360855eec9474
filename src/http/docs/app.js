// Renders /openapi.json: one section per tag, one fold per operation. Text enters the page as text nodes only.

const METHODS = ["get", "put", "post", "patch", "delete"];

/** Makes an element; strings among the children become text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Follows `#/components/…`. */
function resolve(doc, schema) {
  if (!schema?.$ref) return schema ?? {};
  return schema.$ref.slice(2).split("/").reduce((node, key) => node?.[key], doc) ?? {};
}

function refName(schema) {
  return schema?.$ref?.split("/").pop();
}

/** Says in a few words what a schema allows. */
function typeOf(doc, schema, depth = 0) {
  if (!schema) return "any";
  if (schema.$ref) return refName(schema);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map((choice) => typeOf(doc, choice, depth + 1)).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const type = [schema.type].flat().filter(Boolean).join(" | ") || (schema.properties ? "object" : "any");
  if (type.startsWith("array") && depth < 4) return `${typeOf(doc, schema.items, depth + 1)}[]`;
  return schema.format ? `${type} (${schema.format})` : type;
}

/** Makes a value that a schema would accept, for the curl line. */
function sample(doc, schema, depth = 0) {
  const found = resolve(doc, schema);
  if (depth > 5) return null;
  if (found.example !== undefined) return found.example;
  if (found.default !== undefined) return found.default;
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  const choice = found.oneOf?.find((one) => one.type !== "null") ?? found.allOf?.[0];
  if (choice) return sample(doc, choice, depth + 1);
  switch ([found.type].flat().find((type) => type !== "null")) {
    case "array": return [sample(doc, found.items, depth + 1)];
    case "integer": case "number": return Math.max(found.minimum ?? 1, 1);
    case "boolean": return true;
    case "string": return found.format === "date-time" ? "2026-01-31T12:00:00Z" : "…";
    default: {
      const needed = new Set(found.required ?? []);
      const entries = Object.entries(found.properties ?? {}).filter(([name]) => needed.has(name));
      return Object.fromEntries(entries.map(([name, value]) => [name, sample(doc, value, depth + 1)]));
    }
  }
}

function table(head, rows) {
  const header = make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell ?? ""))));
  return make("table", {}, make("thead", {}, header), make("tbody", {}, ...body));
}

/** Shows the properties of an object, and below them the objects that they name. */
function shape(doc, schema, seen = new Set()) {
  const name = refName(schema);
  const found = resolve(doc, schema);
  const parts = [];
  const branches = found.allOf ?? found.oneOf ?? [];
  if (found.properties) {
    const needed = new Set(found.required ?? []);
    const rows = Object.entries(found.properties).map(([key, value]) => [
      make("code", {}, needed.has(key) ? `${key} *` : key), typeOf(doc, value), value.description ?? resolve(doc, value).description ?? "",
    ]);
    parts.push(table([name ?? "field", "type", "meaning"], rows));
  } else if (branches.length === 0) {
    parts.push(make("p", {}, make("code", {}, name ? `${name}: ${typeOf(doc, found)}` : typeOf(doc, found))));
  }
  const inner = [...Object.values(found.properties ?? {}), ...branches, found.items].filter(Boolean);
  const named = inner.flatMap((one) => [one, one.items, ...(one.oneOf ?? [])]).filter(Boolean);
  for (const one of named) {
    const key = refName(one) ?? (branches.includes(one) && one.properties ? one : null);
    if (!key || seen.has(key)) continue;
    seen.add(key);
    parts.push(make("div", {}, ...shape(doc, one, seen)));
  }
  return parts;
}

function curl(doc, method, path, operation) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const query = (operation.parameters ?? []).map((one) => resolve(doc, one)).filter((one) => one.in === "query" && one.required);
  const tail = query.map((one) => `${one.name}=${encodeURIComponent(sample(doc, one.schema))}`).join("&");
  const words = ["curl", "-X", method.toUpperCase(), quote(`${location.origin}${path}${tail ? `?${tail}` : ""}`)];
  if (operation.security?.some((needed) => Object.keys(needed).length > 0)) words.push("-H", '"Authorization: Bearer $SLIPWAY_KEY"');
  const [type, content] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (type === "application/json") {
    words.push("-H", quote(`Content-Type: ${type}`), "-d", quote(JSON.stringify(sample(doc, content.schema))));
  } else if (type) {
    words.push("--data-binary", "@file");
  }
  return words.join(" ");
}

function fold(doc, method, path, operation) {
  const body = make("div", { class: "body" });
  const add = (title, ...parts) => body.append(make("h4", {}, title), ...parts);
  if (operation.description && operation.description !== operation.summary) body.append(make("p", {}, operation.description));
  const parameters = (operation.parameters ?? []).map((one) => resolve(doc, one));
  if (parameters.length > 0) {
    const rows = parameters.map((one) => [
      make("code", {}, one.required ? `${one.name} *` : one.name), one.in, typeOf(doc, one.schema), one.description,
    ]);
    add("Parameters", table(["name", "in", "type", "meaning"], rows));
  }
  for (const [type, content] of Object.entries(operation.requestBody?.content ?? {})) {
    const about = operation.requestBody.description;
    add(`Body: ${type}`, about ? make("p", {}, about) : null, ...shape(doc, content.schema));
  }
  for (const [status, response] of Object.entries(operation.responses ?? {})) {
    const found = resolve(doc, response);
    const contents = Object.entries(found.content ?? {});
    const about = found.description ? make("p", { class: "mute" }, found.description) : "";
    add(`${status} ${contents.map(([type]) => type).join(", ")}`, about, ...contents.flatMap(([, content]) => shape(doc, content.schema)));
  }
  const line = curl(doc, method, path, operation);
  const copy = make("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(line);
    copy.textContent = "Copied";
  });
  add("Try it", make("pre", { tabindex: "0" }, line), copy);
  const title = [make("span", { class: "method" }, method.toUpperCase()), make("code", {}, path), " ", make("span", { class: "gist" }, operation.summary ?? "")];
  const details = make("details", { id: operation.operationId }, make("summary", {}, ...title), body);
  details.dataset.text = `${method} ${path} ${operation.operationId} ${operation.summary}`.toLowerCase();
  return details;
}

function render(doc) {
  document.getElementById("version").textContent = doc.info.version;
  document.getElementById("about").textContent = doc.info.description ?? "";
  const sections = new Map();
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!sections.has(tag)) sections.set(tag, []);
      sections.get(tag).push(fold(doc, method, path, item[method]));
    }
  }
  const content = document.getElementById("content");
  content.replaceChildren();
  for (const [tag, folds] of sections) {
    const id = `tag-${tag.replaceAll(/[^a-z0-9]+/gi, "-")}`;
    content.append(make("section", { "aria-labelledby": id }, make("h2", { id }, tag), ...folds));
    document.getElementById("tags").append(make("li", {}, make("a", { href: `#${id}` }, tag)));
  }
  document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
  const wanted = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (wanted) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}

function filter(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const details of document.querySelectorAll("details")) {
    details.hidden = !words.every((word) => details.dataset.text.includes(word));
    if (!details.hidden) shown += 1;
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("details:not([hidden])");
  }
  document.getElementById("found").textContent = words.length > 0 ? `${shown} operations` : "";
}

try {
  const response = await fetch("/openapi.json");
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  render(await response.json());
} catch (error) {
  document.getElementById("state").textContent = `The API document can't be shown: ${error.message}`;
}
