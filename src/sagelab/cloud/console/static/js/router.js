// Addresses: /training-jobs/my-job?x=y. Links are plain links; this keeps them from loading the page anew.
import { useEffect, useState } from "./ui.js";

const watchers = new Set();

/** Go to an address of the console; replace: without a step for the back button. */
export function go(address, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  watchers.forEach((act) => act(!replace));
}

addEventListener("popstate", () => watchers.forEach((act) => act(true)));
document.addEventListener("click", (event) => {
  const link = event.target.closest && event.target.closest("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.hasAttribute("target") || link.hasAttribute("download")) return;
  const address = new URL(link.getAttribute("href"), location.href); // a link inside a picture has no `origin`
  if (address.origin !== location.origin || link.getAttribute("href")[0] === "#") return;
  event.preventDefault();
  go(address.href);
});

const read = () => ({
  path: location.pathname.split("/").filter(Boolean).map(decodeURIComponent),
  folder: location.pathname.endsWith("/"),
  query: Object.fromEntries(new URLSearchParams(location.search)),
});

/** {path: ["training-jobs", "my-job"], folder, query}. onMove: called where another page is come to. */
export function useAddress(onMove) {
  const [address, set] = useState(read);
  useEffect(() => {
    const act = (moved) => {
      set(read());
      if (moved && onMove) onMove();
    };
    watchers.add(act);
    return () => watchers.delete(act);
  }, []);
  return address;
}

/** Change parts of the query in place; an empty one goes. */
export function setQuery(changes) {
  const query = new URLSearchParams(location.search);
  Object.entries(changes).forEach(([name, value]) => (value ? query.set(name, value) : query.delete(name)));
  const text = query.toString();
  go(location.pathname + (text ? `?${text}` : ""), true);
}
