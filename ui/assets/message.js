// A message in HTML as its recipient sees it (see ui/lote/message.py).
//
// It was written by people and filled with what a spreadsheet says, so it gets a frame that runs no script, opens
// nothing, and is of no origin: nothing in it reaches the program.
const POLICY = "default-src 'none'; img-src data: https:; style-src 'unsafe-inline'; font-src data:";

export default ({ parentElement, data }) => {
  let frame = parentElement.querySelector("iframe");
  if (!frame) {
    frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "");
    frame.setAttribute("referrerpolicy", "no-referrer");
    frame.title = data.title;
    frame.style.cssText = "width:100%;height:420px;border:1px solid var(--st-border-color);border-radius:8px;background:#fff";
    parentElement.append(frame);
  }
  const head = `<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">`;
  const source = `${head}${data.html}`;
  if (frame.srcdoc !== source) frame.srcdoc = source;
};
