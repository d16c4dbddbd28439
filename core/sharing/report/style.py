"""How a report looks: on a screen, light and dark, down to a telephone's width, and on A4."""

from __future__ import annotations

# Figures are drawn in these two, and the style below turns them where they occur: no script is needed for a theme.
INK, PAPER = "#1f2433", "#fefefd"

STYLE = """
:root {
  --ink: #1f2433; --soft: #5c6379; --paper: #ffffff; --raised: #f6f6fb; --line: #dfe1ec; --accent: #5a53e0;
  --good: #0e8a7b; --care: #b15f0c; --bad: #c2324e; --bar: rgba(109, 103, 242, .28);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e8e9f1; --soft: #a2a8bd; --paper: #12141c; --raised: #1b1e2a; --line: #2e3344; --accent: #a5a0ff;
    --good: #3ac7b5; --care: #f0a35a; --bad: #f2788e; --bar: rgba(135, 130, 255, .38);
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 40px 24px 56px; max-width: 736px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Hiragino Sans", "Noto Sans JP", "Noto Sans CJK JP",
    "Yu Gothic UI", Meiryo, sans-serif;
  overflow-wrap: anywhere;
}
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.015em; margin: 4px 0 12px; }
h2 { font-size: 21px; line-height: 1.3; margin: 48px 0 12px; padding-top: 12px; border-top: 1px solid var(--line); }
p, ul { margin: 0 0 14px; }
ul { padding-left: 22px; }
li { margin-bottom: 4px; }
a { color: var(--accent); }
.kicker { margin: 0; color: var(--soft); font-size: 13px; font-weight: 600; letter-spacing: .06em;
  text-transform: uppercase; }
.lead { font-size: 18px; color: var(--soft); }
.lead strong { color: var(--ink); }
nav ol { list-style: none; display: flex; flex-wrap: wrap; gap: 6px 18px; padding: 0; margin: 20px 0 0;
  font-size: 14px; }
nav li { margin: 0; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
main > section:first-child h2 { margin-top: 28px; }
.note { border-left: 4px solid var(--care); background: var(--raised); padding: 12px 16px; border-radius: 0 8px 8px 0; }
.note.good { border-color: var(--good); }
.note.bad { border-color: var(--bad); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 0 0 18px; }
.facts div { background: var(--raised); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { margin: 2px 0 0; }
.facts strong { display: block; font-size: 25px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.facts span { display: block; color: var(--soft); font-size: 13px; line-height: 1.35; }
.wide { overflow-x: auto; margin: 0 0 18px; }
.wide:focus-visible, pre:focus-visible, a:focus-visible, summary:focus-visible {
  outline: 2px solid var(--accent); outline-offset: 2px;
}
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { text-align: left; vertical-align: top; padding: 6px 8px; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; white-space: nowrap; }
td { min-width: 64px; }
td code { white-space: nowrap; }
th.number, td.number { text-align: right; white-space: nowrap; min-width: 0; }
td:first-child, th:first-child { padding-left: 0; }
td:last-child, th:last-child { padding-right: 0; }
.whole { white-space: nowrap; }
.share { display: inline-block; width: 72px; height: 8px; margin-right: 8px; border-radius: 4px;
  background: var(--raised); overflow: hidden; }
.share i { display: block; height: 100%; background: var(--accent); opacity: .65; }
figure { margin: 22px 0; }
.chart { width: 100%; }
figcaption { color: var(--soft); font-size: 14px; margin-top: 6px; }
pre { background: var(--raised); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px;
  overflow-x: auto; font-size: 13px; line-height: 1.5; margin: 0 0 18px; }
code { font-family: ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono",
  "Noto Sans Mono CJK JP", monospace; }
p code, li code, td code { font-size: .9em; background: var(--raised); border-radius: 4px; padding: 1px 5px; }
details { margin: 0 0 14px; }
summary { cursor: pointer; color: var(--accent); padding: 4px 0; }
details[open] summary { margin-bottom: 8px; }
footer { margin-top: 48px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
.chart text[style*="rgb(31, 36, 51)"] { fill: var(--ink) !important; }
.chart [style*="rgb(254, 254, 253)"] { fill: var(--raised) !important; }
@media (max-width: 480px) {
  body { padding: 24px 16px 40px; }
  h1 { font-size: 25px; }
  .lead { font-size: 17px; }
  .facts { grid-template-columns: 1fr 1fr; gap: 8px; }
  .facts strong { font-size: 21px; }
  .share { display: none; }
  td:first-child { min-width: 104px; }
  td:last-child:not(.number):not(:first-child) { min-width: 210px; }
}
@page { size: A4; margin: 15mm 13mm; }
@media print {
  :root {
    --ink: #1f2433; --soft: #4d5366; --paper: #ffffff; --raised: #f6f6fb; --line: #cfd2e0; --accent: #4a44c4;
    --good: #0e8a7b; --care: #b15f0c; --bad: #c2324e; --bar: rgba(109, 103, 242, .28);
  }
  body { max-width: none; padding: 0; font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  nav { display: none; }
  h1 { font-size: 22pt; }
  h2 { font-size: 14pt; margin-top: 24pt; break-after: avoid; }
  .lead { font-size: 12pt; }
  p, li { orphans: 3; widows: 3; }
  p:has(+ .wide), p:has(+ figure), p:has(+ pre), p:has(+ ul) { break-after: avoid; }
  figure, .facts, .note, tr { break-inside: avoid; }
  .wide { overflow: visible; }
  .short { break-inside: avoid; }
  table { font-size: 9.5pt; }
  thead { display: table-header-group; }
  th { white-space: normal; }
  pre { white-space: pre-wrap; overflow: visible; font-size: 8.5pt; }
  footer { margin-top: 18pt; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  summary { list-style: none; color: var(--ink); font-weight: 600; }
  a { color: inherit; text-decoration: none; }
}
"""
