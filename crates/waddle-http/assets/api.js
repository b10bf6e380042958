// The page /api: reads the OpenAPI document and makes a form of each operation. Text only: nothing is put in as HTML.
"use strict";

const make = (name, attributes, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  element.append(...children);
  return element;
};

let csrf = null;
async function csrfToken() {
  if (csrf === null) {
    const answer = await fetch("/auth/session");
    csrf = answer.ok ? (await answer.json()).csrf_token : "";
  }
  return csrf;
}

function example(schema, schemas, depth) {
  if (!schema || depth > 6) return null;
  if (schema.$ref) return example(schemas[schema.$ref.split("/").pop()], schemas, depth + 1);
  if (schema.examples && schema.examples.length) return schema.examples[0];
  if (schema.enum) return schema.enum[0];
  const one = (schema.oneOf || schema.anyOf || []).find((s) => s.type !== "null");
  if (one) return example(one, schemas, depth + 1);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object" || schema.properties) {
    const out = {};
    for (const name of schema.required || []) out[name] = example(schema.properties[name], schemas, depth + 1);
    return out;
  }
  return { array: [], string: "", integer: 0, number: 0, boolean: false }[type] ?? null;
}

async function send(path, method, fields, body, out) {
  const headers = {};
  const query = new URLSearchParams();
  let url = path;
  for (const [parameter, input] of fields) {
    if (input.value === "") continue;
    if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    if (parameter.in === "query") query.append(parameter.name, input.value);
    if (parameter.in === "header") headers[parameter.name] = input.value;
  }
  if (query.size) url += `?${query}`;
  const token = document.getElementById("token").value.trim();
  const options = { method: method.toUpperCase(), headers, redirect: "manual" };
  if (token) {
    headers.Authorization = `Bearer ${token}`;
    options.credentials = "omit";
  } else if (method !== "get") {
    headers["X-CSRF-Token"] = await csrfToken();
  }
  if (body && body.value.trim() !== "") {
    headers["Content-Type"] = "application/json";
    options.body = body.value;
  }
  out.textContent = "…";
  try {
    const answer = await fetch(url, options);
    const text = await answer.text();
    let shown = text;
    try {
      shown = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // not JSON: as it is
    }
    const lines = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    out.textContent = `${answer.status} ${answer.statusText}\n${lines}\n\n${shown}`;
  } catch (error) {
    out.textContent = String(error);
  }
}

function operation(path, method, op, schemas) {
  const fields = [];
  const form = make("form", {});
  for (const parameter of op.parameters || []) {
    const input = make("input", { type: "text", spellcheck: "false" });
    if (parameter.required) input.required = true;
    const about = parameter.description ? ` — ${parameter.description}` : "";
    form.append(make("p", {}, make("label", {}, `${parameter.name} (${parameter.in})${about} `, input)));
    fields.push([parameter, input]);
  }
  let body = null;
  const content = op.requestBody && op.requestBody.content && op.requestBody.content["application/json"];
  if (content) {
    body = make("textarea", { rows: "6", spellcheck: "false" });
    body.value = JSON.stringify(example(content.schema, schemas, 0), null, 2);
    form.append(make("p", {}, make("label", {}, "body ", body)));
  }
  const out = make("pre", {});
  form.append(make("p", {}, make("button", { type: "submit" }, "Send")), out);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(path, method, fields, body, out);
  });
  const needs = (op.security || []).flatMap((way) => way.token || []);
  const details = make("details", {}, make("summary", {}, make("code", {}, `${method.toUpperCase()} ${path}`), ` ${op.summary || ""}`));
  if (op.description) details.append(make("p", {}, op.description));
  if (needs.length) details.append(make("p", {}, `Scope: ${needs.join(" or ")}`));
  details.append(form);
  return details;
}

async function show() {
  const place = document.getElementById("operations");
  const answer = await fetch("/api/v1/openapi.json");
  const spec = await answer.json();
  const groups = new Map();
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const [method, op] of Object.entries(item)) {
      const tag = (op.tags && op.tags[0]) || "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(path, method, op, spec.components.schemas || {}));
    }
  }
  place.replaceChildren();
  for (const tag of [...groups.keys()].sort()) place.append(make("h2", {}, tag), ...groups.get(tag));
}

show().catch((error) => {
  document.getElementById("operations").textContent = String(error);
});
