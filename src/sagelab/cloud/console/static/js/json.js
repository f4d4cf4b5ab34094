// A document as indented text, in which what has a page of its own is a link.
import { inWords, KINDS, link, roleLink, s3Link } from "./kinds.js";
import { html } from "./ui.js";

const PATHS = Object.fromEntries(KINDS.map((kind) => [kind.nameMember, kind.path]));

const RESOURCE = /^arn:aws:sagemaker:[^:]+:\d+:([a-z-]+)\/(.+)$/; // (its kind, its name)

function text(name, value) {
  if (typeof value !== "string") return JSON.stringify(value);
  if (value.startsWith("s3://")) return s3Link(value);
  if (/^arn:aws:iam::\d+:role\//.test(value)) return html`<span title=${value}>${roleLink(value)}</span>`;
  const [, part, named] = value.match(RESOURCE) || [];
  const kind = named && KINDS.find((each) => each.arn === part && !each.within);
  if (kind) return html`<span title=${value}>${link(kind.path, named)}</span>`;
  if (PATHS[name]) return link(PATHS[name], value);
  return value;
}

const isPlain = (value) => value === null || typeof value !== "object";
const isEmpty = (value) => !isPlain(value) && !Object.keys(value).length;
const isFlat = (value) => !isPlain(value) && !Array.isArray(value) && Object.values(value).every(isPlain);

/** A member that holds nothing but one other: their names with a dot between, and what is inside. */
function unfold(key, value) {
  const names = isPlain(value) || Array.isArray(value) ? [] : Object.keys(value);
  return names.length === 1 && !isPlain(value[names[0]])
    ? unfold(`${key}.${names[0]}`, value[names[0]])
    : [key, value];
}

export function Json({ value, name = "", inline = false }) {
  if (isPlain(value) || isEmpty(value)) {
    return html`<span class=${`value ${typeof value}`}>${isEmpty(value) ? "none" : text(name, value)}</span>`;
  }
  if (Array.isArray(value) && value.every(isPlain)) {
    return html`<span class="value">${value.map((each, index) => html`${index ? ", " : ""}${text(name, each)}`)}</span>`;
  }
  if (inline && isFlat(value)) {
    return html`<span class="inline">${Object.entries(value).map(
      ([key, each]) => html`
      <span key=${key}><span class="key">${key}</span><${Json} value=${each} name=${key} /></span>`,
    )}</span>`;
  }
  const entries = Array.isArray(value) ? value.map((each, index) => [index + 1, each]) : Object.entries(value);
  return html`<ul class="json">${entries
    .map((entry) => unfold(...entry))
    .map(
      ([key, each]) => html`
    <li key=${key}><span class="key">${key}</span><${Json} value=${each} name=${key} inline=${Array.isArray(value)} /></li>`,
    )}</ul>`;
}

const MOST = 24; // addresses; a job of more channels than that shows them in its configuration

/** S3OutputPath: "Output". A member that says no more than that it is an address (S3Uri, a number) has its parent's name. */
function labelOf(member, parent) {
  const said = member.replace(/^S3|(Uri|Url|Path)$|^\d+$/g, "");
  return said ? inWords(said) : parent;
}

/** [[what it is, link]] of every s3:// address in a description: a channel by its name, others by their member's. */
export function findAddresses(item) {
  const found = [];
  const walk = (value, label) => {
    if (typeof value === "string" && value.startsWith("s3://")) found.push([label, value]);
    if (!value || typeof value !== "object") return;
    Object.entries(value).forEach(
      ([key, each]) =>
        key !== "HyperParameters" &&
        walk(each, value.ChannelName ? `channel ${value.ChannelName}` : label.startsWith("channel") ? label : labelOf(key, label)),
    );
  };
  walk(item, "");
  const seen = new Set();
  const first = found.filter(([, uri]) => !seen.has(uri) && seen.add(uri));
  return first.slice(0, MOST).map(([label, uri]) => [label, s3Link(uri)]);
}
