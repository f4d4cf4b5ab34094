// The variants of an endpoint or of its configuration.
import { link } from "./kinds.js";
import { Table } from "./table.js";
import { html, Section } from "./ui.js";

const count = (variant) => {
  const { CurrentInstanceCount: now, DesiredInstanceCount: wanted, InitialInstanceCount: first } = variant;
  if (now === undefined) return first;
  return wanted === undefined || wanted === now ? now : `${now} of ${wanted}`;
};

const plan = (variant) => variant.CurrentServerlessConfig || variant.ServerlessConfig || {};

const COLUMNS = [
  ["Variant", (variant) => variant.VariantName],
  ["Model", (variant) => link("models", variant.ModelName)],
  ["Instance", (variant) => variant.InstanceType],
  ["Accelerator", (variant) => variant.AcceleratorType],
  ["Instances", count],
  ["Memory (MB)", (variant) => plan(variant).MemorySizeInMB],
  ["Requests at a time", (variant) => plan(variant).MaxConcurrency],
  ["Provisioned", (variant) => plan(variant).ProvisionedConcurrency],
  ["Weight", (variant) => variant.CurrentWeight ?? variant.InitialVariantWeight],
];

export function Variants({ item }) {
  const rows = item.ProductionVariants || [];
  const columns = COLUMNS.filter(([, cell]) => rows.some((row) => cell(row) !== undefined));
  return (
    rows.length > 0 &&
    html`
    <${Section} title="Variants"><${Table} caption="Variants" columns=${columns} rows=${rows} rowKey=${(row) => row.VariantName} /><//>`
  );
}
