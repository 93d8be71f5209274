// The page of the API, made from the OpenAPI description that programs use.

import { element } from "./draw.js";

const byId = (id) => document.getElementById(id);

// Text in which `code` is marked as in Markdown.
function prose(text) {
  return (text ?? "").split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

function table(head, rows) {
  if (!rows.length) return null;
  const cells = (kind, row) => element("tr", {}, ...row.map((each) => element(kind, kind === "th" ? { scope: "col" } : {}, ...[each].flat())));
  return element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `Table of ${head[0]}` }, element("table", {}, element("thead", {}, cells("th", head)), element("tbody", {}, ...rows.map((row) => cells("td", row)))));
}

function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeOf).filter((each) => each !== "null").join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  return schema.type ?? "";
}

function fields(schema) {
  const rows = Object.entries(schema?.properties ?? {}).map(([name, each]) => [
    element("code", {}, name), typeOf(each), prose(each.description),
  ]);
  return table(["field", "type", "meaning"], rows);
}

function operation(path, method, each, schemas) {
  const parameters = (each.parameters ?? []).map(({ name, schema, description }) => [
    element("code", {}, name), typeOf(schema), JSON.stringify(schema.default ?? null), prose(description),
  ]);
  const answers = Object.entries(each.responses).map(([status, { description }]) => [status, prose(description)]);
  const schema = Object.values(each.responses["200"]?.content ?? {})[0]?.schema;
  const name = schema?.$ref?.split("/").pop();
  return element("section", { class: "operation" },
    element("h2", {}, element("span", {}, method.toUpperCase()), ` ${path}`),
    element("p", {}, ...prose(each.description ?? each.summary)),
    samples(each["x-codeSamples"] ?? []),
    each.requestBody ? element("p", {}, element("b", {}, "Body: "), ...prose(each.requestBody.description)) : null,
    table(["query", "type", "default", "meaning"], parameters),
    name ? element("details", {}, element("summary", {}, `Answer: ${name}`), fields(schemas[name]), ...nested(schemas[name], schemas)) : null,
    table(["status", "meaning"], answers));
}

// Examples of calls, with the address of this server.
function samples(all) {
  if (!all.length) return null;
  return element("div", { class: "samples" }, ...all.flatMap(({ lang, source }) => [
    element("h3", {}, lang), element("pre", { tabindex: "0" }, element("code", {}, source.replaceAll("{server}", server))),
  ]));
}

// The objects that an answer is made of.
function nested(schema, schemas) {
  const names = new Set([...JSON.stringify(schema).matchAll(/schemas\/(\w+)/g)].map((match) => match[1]));
  return [...names].flatMap((name) => [element("h3", {}, name), fields(schemas[name])]);
}

const server = new URL(".", location.href).href.replace(/\/$/, "");
const description = await (await fetch("openapi.json")).json();
byId("about").append(...prose(description.info.description.trim()));
byId("operations").replaceChildren(...Object.entries(description.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, each]) => operation(path, method, each, description.components.schemas))));
