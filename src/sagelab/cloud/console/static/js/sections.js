// The parts of a resource's page, by the names that kinds.js has for them.
import { Advice } from "./advice.js";
import { Graph } from "./graph.js";
import { Log } from "./log.js";
import { Metrics, Traffic } from "./metrics.js";
import { Parts } from "./parts.js";
import { Scaling } from "./scaling.js";
import { Scripts } from "./scripts.js";
import { Search } from "./search.js";
import { Try } from "./try.js";
import { Variants } from "./variants.js";
import { Zones } from "./zones.js";

export const SECTIONS = {
  advice: Advice,
  graph: Graph,
  log: Log,
  metrics: Metrics,
  parts: Parts,
  scaling: Scaling,
  scripts: Scripts,
  search: Search,
  traffic: Traffic,
  try: Try,
  variants: Variants,
  zones: Zones,
};
