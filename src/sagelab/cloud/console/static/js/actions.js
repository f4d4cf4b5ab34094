// What can be done to a resource, each after a question that names what it will do.
import { ask, commandOf } from "./api.js";
import { go } from "./router.js";
import { Command, html, Notice, useEffect, useRef, useState } from "./ui.js";

// What an action will do, where the kind has no words of its own.
const WORDS = {
  Start: "It starts again; it is billed from now on.",
  Stop: "It is ended before it is done.",
  Delete: "It goes, and cannot be brought back.",
};

/**
 * What the catalog's row of a kind lets be done, each {label, operation, params, when, what, danger, leave}.
 * params: item -> those of the call. when: (status, item) -> whether it can be done. what: what it will do, in words.
 * leave: the page goes back to the list. open: answer -> the address to open in a tab of its own.
 */
export function actionsOf(row, words = {}) {
  const stop = row.removal.find((step) => step.verb === "Stop");
  const member = row.within ? row.arn_member : row.name_member;
  const resting = (status) => row.rests.includes(status) && row.ended.includes(status);
  const when = {
    Start: resting,
    Stop: (status) => Boolean(stop) && stop.statuses.includes(status) && !/stopping/i.test(status),
    Delete: stop ? resting : (status) => !row.rests.length || row.rests.includes(status),
  };
  return Object.keys(when)
    .filter((verb) => row.verbs.includes(verb))
    .map((verb) => ({
      label: verb,
      operation: `${verb}${row.stem}`,
      params: (item) => ({ [row.name_member]: item[member] || item[row.listed_as + member] }),
      when: when[verb],
      what: words[verb] || WORDS[verb],
      danger: verb === "Delete",
      leave: verb === "Delete",
    }));
}

export const OPEN = {
  label: "Open JupyterLab",
  primary: true,
  operation: "CreatePresignedNotebookInstanceUrl",
  params: (notebook) => ({ NotebookInstanceName: notebook.NotebookInstanceName }),
  when: (status) => status === "InService",
  open: (answer) => answer.AuthorizedUrl,
};

export const START = {
  label: "Start",
  primary: true,
  operation: "StartPipelineExecution",
  params: (pipeline) => ({ PipelineName: pipeline.PipelineName }),
  when: () => true,
  what: "Its newest version runs, with the defaults of its parameters.",
};

export const RETRY = {
  label: "Retry",
  operation: "RetryPipelineExecution",
  params: (execution) => ({ PipelineExecutionArn: execution.PipelineExecutionArn }),
  when: (status) => ["Failed", "Stopped"].includes(status),
  what: "Steps that did not succeed, and those that did not start, run now; what has succeeded stays.",
};

export const TAKE_AWAY = {
  label: "Take spot capacity away",
  operation: "AddTags",
  params: (job) => ({
    ResourceArn: job.TrainingJobArn,
    Tags: [{ Key: "sagelab:spot-interrupt", Value: "now" }],
  }),
  when: (status, job) => status === "InProgress" && job.EnableManagedSpotTraining,
  what: "As when AWS needs the instance back: the script is interrupted, and the job starts again from its last checkpoint, or from the beginning where it keeps none.",
};

/** The buttons of a resource's page. */
export function Actions({ kind, item, changed }) {
  const [asked, askFor] = useState(null);
  const status = kind.status(item);
  const possible = kind.actions.filter((action) => action.when(status, item));
  return html`
    <div class="actions">
      ${possible.map(
        (action) => html`
        <button key=${action.label} type="button" class=${action.danger ? "danger" : action.primary ? "primary" : ""}
          onClick=${() => askFor(action)}>${action.label}</button>`,
      )}
    </div>
    ${
      asked &&
      html`<${Question} kind=${kind} item=${item} action=${asked} close=${(did) => {
        askFor(null);
        if (did && asked.leave) go(kind.listed(item)[0]);
        else if (did) changed();
      }} />`
    }`;
}

/** Asks before anything is done; the same for an object of S3, with a `kind` of its own. */
export function Question({ kind, item, action, close }) {
  const [error, fail] = useState(null);
  const [busy, setBusy] = useState(false);
  const [command, setCommand] = useState("");
  const dialog = useRef();
  const name = kind.name(item);
  const service = action.service || "sagemaker";
  const params = action.params(item);
  useEffect(() => {
    dialog.current.showModal();
    commandOf(service, action.operation, params).then(setCommand, fail);
  }, []);
  const act = async () => {
    setBusy(true);
    const tab = action.open && window.open("about:blank", "_blank");
    try {
      const answer = await ask(service, action.operation, params);
      if (tab) {
        tab.opener = null;
        tab.location = action.open(answer);
      }
      close(true);
    } catch (refused) {
      if (tab) tab.close();
      fail(refused);
      setBusy(false);
    }
  };
  return html`
    <dialog ref=${dialog} onClose=${() => close(false)} aria-labelledby="question">
      <h2 id="question">${action.label} ${kind.one} <span class="wrap">${name}</span>?</h2>
      ${action.what && html`<p>${action.what}</p>`}
      <${Command} text=${command} />
      <${Notice} error=${error} />
      <div class="actions end">
        <button type="button" onClick=${() => dialog.current.close()}>Cancel</button>
        <button type="button" class=${action.danger ? "danger solid" : "primary"} disabled=${busy} onClick=${act}>${action.label}</button>
      </div>
    </dialog>`;
}
