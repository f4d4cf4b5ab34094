// The parts of a resource's page, by the names that kinds.js has for them.
import { Graph } from "./graph.js";
import { Log } from "./log.js";
import { Metrics, Traffic } from "./metrics.js";
import { Parts } from "./parts.js";
import { Scripts } from "./scripts.js";
import { Search } from "./search.js";
import { Try } from "./try.js";
import { Variants } from "./variants.js";

export const SECTIONS = {
  graph: Graph,
  log: Log,
  metrics: Metrics,
  parts: Parts,
  scripts: Scripts,
  search: Search,
  traffic: Traffic,
  try: Try,
  variants: Variants,
};
