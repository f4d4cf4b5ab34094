// The parts of a resource's page, by the names that kinds.js has for them.
import { Log } from "./log.js";
import { Metrics, Traffic } from "./metrics.js";
import { Scripts } from "./scripts.js";
import { Search } from "./search.js";
import { Try } from "./try.js";
import { Variants } from "./variants.js";

export const SECTIONS = {
  log: Log,
  metrics: Metrics,
  scripts: Scripts,
  search: Search,
  traffic: Traffic,
  try: Try,
  variants: Variants,
};
