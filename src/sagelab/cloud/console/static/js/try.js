// Ask an endpoint: draw a digit and see it read, or send any JSON.
import { call, decode } from "./api.js";
import { instances, read } from "./digit.js";
import { Command, html, Notice, Section, useEffect, useRef, useState } from "./ui.js";

const SIDE = 280;

async function invoke(name, body) {
  const began = performance.now();
  const params = { EndpointName: name, ContentType: "application/json", Accept: "application/json", Body: body };
  const { result, command } = await call("sagemaker-runtime", "InvokeEndpoint", params);
  const text = new TextDecoder().decode(decode(result.Body));
  return { text, command, took: performance.now() - began, variant: result.InvokedProductionVariant };
}

export function Try({ item, name }) {
  const [way, choose] = useState("draw");
  if (item.EndpointStatus !== "InService" && item.EndpointStatus !== "Updating") return null;
  const tab = (key, label) =>
    html`<button type="button" role="tab" aria-selected=${way === key} class=${way === key ? "on" : ""} onClick=${() => choose(key)}>${label}</button>`;
  return html`
    <${Section} title="Try it" aside=${html`<div class="switch" role="tablist" aria-label="What to send">${tab("draw", "Draw a digit")}${tab("json", "Send JSON")}</div>`}>
      ${way === "draw" ? html`<${Draw} name=${name} />` : html`<${SendJson} name=${name} />`}
    <//>`;
}

/** The probabilities of ten digits in an answer; null: it has none. */
function scores(text) {
  try {
    const found = JSON.parse(text).predictions[0];
    const row = Array.isArray(found) ? found : Object.values(found)[0];
    return Array.isArray(row) && row.length === 10 && row.every(Number.isFinite) ? row : null;
  } catch {
    return null;
  }
}

function Draw({ name }) {
  const [strokes, setStrokes] = useState([]);
  const [answer, setAnswer] = useState(null);
  const [error, fail] = useState(null);
  const asked = useRef(0);
  const pixels = read(strokes);
  const ended = async (drawn) => {
    const turn = (asked.current += 1);
    setStrokes(drawn);
    fail(null);
    if (!drawn.length) return setAnswer(null);
    try {
      const found = await invoke(name, JSON.stringify({ instances: instances(read(drawn)) }));
      if (turn === asked.current) setAnswer(found);
    } catch (refused) {
      if (turn === asked.current) fail(refused);
    }
  };
  return html`
    <div class="draw">
      <div><${Pad} strokes=${strokes} ended=${ended} />
        <div class="actions"><button type="button" onClick=${() => ended([])} disabled=${!strokes.length}>Clear</button></div></div>
      <div class="reading">
        <${Notice} error=${error} />
        ${answer ? html`<${Reading} answer=${answer} pixels=${pixels} />` : html`<p class="quiet">Draw one digit, large, with mouse, pen or finger. With the keyboard: arrow keys move the pen, space sets it down and lifts it.</p>`}
      </div>
    </div>`;
}

function Reading({ answer, pixels }) {
  const found = scores(answer.text);
  const best = found && found.indexOf(Math.max(...found));
  return html`
    <p class="verdict" aria-live="polite">${found ? html`Read as <strong>${best}</strong> <span class="quiet">${Math.round(found[best] * 100)} %</span>` : "The endpoint answered:"}</p>
    ${
      found
        ? html`<ol class="bars" start="0">${found.map(
            (each, digit) => html`
      <li key=${digit} class=${digit === best ? "on" : ""}><span>${digit}</span><i style=${{ width: `${each * 100}%` }}></i><b>${each >= 0.005 ? `${Math.round(each * 100)} %` : ""}</b></li>`,
          )}</ol>`
        : html`<pre class="log short">${answer.text.slice(0, 2000)}</pre>`
    }
    ${pixels && html`<div class="seen"><${Pixels} pixels=${pixels} /><p class="quiet">What the network sees: 28 by 28 pixels, as MNIST has them. ${answer.variant} answered in ${Math.round(answer.took)} ms.</p></div>`}`;
}

function Pixels({ pixels }) {
  const canvas = useRef();
  useEffect(() => {
    const picture = new ImageData(28, 28);
    pixels.forEach((ink, index) => picture.data.set([ink * 255, ink * 255, ink * 255, 255], index * 4));
    canvas.current.getContext("2d").putImageData(picture, 0, 0);
  });
  return html`<canvas ref=${canvas} width="28" height="28" role="img" aria-label="The digit as the network sees it"></canvas>`;
}

const STEP = 10;
const WAYS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };

/** A square to draw on. ended: called with all strokes when the pen is lifted. */
function Pad({ strokes, ended }) {
  const canvas = useRef();
  const line = useRef(null);
  const [pen, move] = useState({ at: [SIDE / 2, SIDE / 2], keys: false });
  const paint = () => {
    const context = canvas.current.getContext("2d");
    context.clearRect(0, 0, SIDE, SIDE);
    Object.assign(context, {
      lineWidth: SIDE / 16,
      lineCap: "round",
      lineJoin: "round",
      strokeStyle: "#17202b",
      fillStyle: "#b3261e",
    });
    [...strokes, ...(line.current ? [line.current] : [])].forEach((stroke) => {
      context.beginPath();
      context.moveTo(...stroke[0]);
      stroke.forEach((point) => context.lineTo(...point));
      context.stroke();
    });
    if (pen.keys) context.fillRect(pen.at[0] - 3, pen.at[1] - 3, 6, 6);
  };
  useEffect(paint);
  const at = (event) => {
    const box = canvas.current.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  };
  const lift = () => {
    if (!line.current) return;
    const drawn = [...strokes, line.current];
    line.current = null;
    ended(drawn);
  };
  const press = (event) => {
    const way = WAYS[event.key];
    if (!way && event.key !== " ") return;
    event.preventDefault();
    if (way) {
      const next = pen.at.map((each, axis) => Math.min(SIDE - 10, Math.max(10, each + way[axis])));
      if (line.current) line.current.push(next);
      move({ at: next, keys: true });
    } else if (line.current) lift();
    else {
      line.current = [pen.at];
      move({ ...pen, keys: true });
    }
  };
  return html`
    <canvas ref=${canvas} class="pad" width=${SIDE} height=${SIDE} tabindex="0" role="application" aria-label="Draw a digit here; arrow keys move the pen, space sets it down and lifts it"
      onPointerDown=${(event) => {
        canvas.current.setPointerCapture(event.pointerId);
        line.current = [at(event)];
        paint();
      }}
      onPointerMove=${(event) => {
        if (!line.current || !event.buttons) return;
        line.current.push(at(event));
        paint();
      }}
      onPointerUp=${lift} onPointerCancel=${lift} onKeyDown=${press}></canvas>`;
}

function SendJson({ name }) {
  const [body, set] = useState('{"instances": []}');
  const [answer, setAnswer] = useState(null);
  const [error, fail] = useState(null);
  const [busy, setBusy] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    fail(null);
    setAnswer(null);
    try {
      setAnswer(await invoke(name, body));
    } catch (refused) {
      fail(refused);
    }
    setBusy(false);
  };
  return html`
    <form onSubmit=${send}>
      <label class="field">Body, application/json
        <textarea rows="6" spellcheck=${false} value=${body} onInput=${(event) => set(event.target.value)}></textarea></label>
      <div class="actions"><button type="submit" class="primary" disabled=${busy}>Invoke</button></div>
    </form>
    <${Notice} error=${error} />
    ${
      answer &&
      html`<p class="quiet">${answer.variant} answered in ${Math.round(answer.took)} ms.</p>
      <pre class="log short" tabindex="0">${answer.text.slice(0, 20000)}</pre>
      <details class="cli"><summary>AWS CLI</summary><${Command} text=${answer.command} /></details>`
    }`;
}
