"""How does a page look? One style sheet: light and dark, from a phone to a wide screen, and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --muted: #57606a; --line: #d0d7de; --soft: #f3f5f7;
  --strong: #0b5cad; --fill: #7fb0e0; --warn: #a40e26;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e6e9ed; --muted: #9aa4af; --line: #3a424c; --soft: #1d232a;
    --strong: #7db8f0; --fill: #2f5f8f; --warn: #ff8a94;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 75rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.125rem; margin: 0 0 .5rem; }
p { margin: .25rem 0; }
code { font-family: ui-monospace, "Liberation Mono", monospace; font-size: .875em; overflow-wrap: anywhere; }
.muted { color: var(--muted); }
.problem { color: var(--warn); font-weight: 600; overflow-wrap: anywhere; }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.cards div { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; }
.cards dt { color: var(--muted); font-size: .875rem; }
.cards dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
dl { margin: 0; }
.beside { display: grid; grid-template-columns: minmax(0, 1fr); gap: 1rem; align-items: start; }
@media (min-width: 56rem) { .beside { grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 2rem; } }
figure { margin: 0; }
figcaption { color: var(--muted); font-size: .875rem; margin-top: .25rem; }
.plot { display: grid; grid-template-columns: auto minmax(0, 1fr); column-gap: .5rem; }
.plot svg { width: 100%; height: 13rem; display: block; border: solid var(--line); border-width: 0 0 1px 1px; }
.axis { display: flex; justify-content: space-between; gap: .5rem; color: var(--muted); font-size: .75rem;
  white-space: nowrap; font-variant-numeric: tabular-nums; }
.axis.up { flex-direction: column; text-align: right; }
.axis.along { grid-column: 2; }
.plot figcaption { grid-column: 1 / -1; }
svg .area { fill: var(--fill); opacity: .5; }
svg .stroke { fill: none; stroke: var(--strong); stroke-width: 2; vector-effect: non-scaling-stroke; }
svg .column { fill: var(--fill); stroke: var(--strong); stroke-width: 1; vector-effect: non-scaling-stroke; }
svg .grid { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.bars { display: grid; grid-template-columns: auto minmax(0, 1fr) auto; gap: .375rem .75rem; align-items: center; }
.bars svg { width: 100%; height: 1.25rem; display: block; background: var(--soft); }
.bars .number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.stack { display: flex; height: 2rem; border: 1px solid var(--strong); }
.stack span { display: block; }
.done { background: var(--strong); }
.some { background: repeating-linear-gradient(45deg, var(--strong) 0 3px, var(--paper) 3px 9px); }
.none { background: var(--paper); }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: .5rem; padding: 0; list-style: none; }
.legend i { display: inline-block; width: 1rem; height: 1rem; border: 1px solid var(--strong);
  vertical-align: -.15rem; margin-right: .375rem; }
.scroll { overflow-x: auto; }
figure + .scroll, p + .scroll { margin-top: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
caption { text-align: left; color: var(--muted); padding-bottom: .25rem; }
th, td { padding: .2rem .5rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { color: var(--muted); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; overflow-wrap: anywhere; }
th:last-child, td:last-child { padding-right: 0; }
@media (max-width: 30rem) {
  table { font-size: .75rem; }
  th, td { padding: .2rem .25rem; }
  .plot svg { height: 10rem; }
}
@media print {
  :root { --paper: #ffffff; --ink: #000000; --muted: #444444; --line: #999999; --soft: #ffffff; --strong: #000000;
    --fill: #bbbbbb; --warn: #000000; }
  body { max-width: none; font-size: 10pt; }
  section, .cards, tr, figure { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
"""Colour never says alone what a thing is: shares have patterns and words, bars have names and numbers."""
