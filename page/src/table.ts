// A table whose rows are known by a key, so that a new look at the broker changes the cells that are different and no
// others. Where there is little room each row is shown as a card (page.css); the roles keep it a table for those who hear it.
import { h, setAttribute, setText } from "./dom";

export interface Column {
  title: string;
  figure?: boolean; // to the right
  wide?: boolean; // left out where there is little room
  long?: boolean; // a text
}

export interface Cell {
  text: string;
  mark?: string; // a word that colours it: "good", "bad", "busy"
}

export interface Row {
  key: string;
  cells: (string | Cell)[]; // the first one names the row
}

export class Table {
  private readonly body = h("tbody", { role: "rowgroup" });
  private readonly none: HTMLElement;
  private readonly frame: HTMLElement;
  private readonly rows = new Map<string, HTMLElement>();

  constructor(
    parent: HTMLElement,
    caption: string,
    private readonly columns: Column[],
    nothing: string,
  ) {
    const heads = columns.map((column) =>
      h("th", { scope: "col", role: "columnheader", class: this.classOf(column) }, column.title),
    );
    const head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads));
    const table = h("table", { role: "table" }, h("caption", {}, caption), head, this.body);
    this.frame = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table);
    this.none = h("p", { class: "quiet" }, nothing);
    parent.append(this.frame, this.none);
    this.frame.hidden = this.none.hidden = true; // nothing is known yet
  }

  show(rows: Row[]): void {
    this.frame.hidden = rows.length === 0;
    this.none.hidden = rows.length > 0;
    const keys = new Set(rows.map((row) => row.key));
    for (const [key, element] of this.rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.rows.delete(key);
    }
    rows.forEach((row, at) => {
      const element = this.rows.get(row.key) ?? this.add(row.key);
      if (this.body.children[at] !== element) this.body.insertBefore(element, this.body.children[at] ?? null);
      row.cells.forEach((cell, column) => {
        const { text, mark } = typeof cell === "string" ? { text: cell, mark: undefined } : cell;
        const target = element.children[column] as HTMLElement;
        setText(target, text);
        setAttribute(target, "data-mark", mark ?? "");
      });
    });
  }

  private add(key: string): HTMLElement {
    const cells = this.columns.map((column, at) => {
      const attributes = { class: this.classOf(column), "data-title": column.title };
      return at === 0
        ? h("th", { ...attributes, scope: "row", role: "rowheader" })
        : h("td", { ...attributes, role: "cell" });
    });
    const row = h("tr", { "data-key": key, role: "row" }, ...cells);
    this.rows.set(key, row);
    return row;
  }

  private classOf(column: Column): string {
    return [column.figure && "figure", column.wide && "wide", column.long && "long"].filter(Boolean).join(" ");
  }
}
