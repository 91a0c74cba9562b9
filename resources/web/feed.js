// What goes on, as the server tells it: jobs by id, the queue, and whoever wants to hear of changes.

const jobs = new Map();
const downloads = new Map();
const listeners = new Set();
export const queue = { paused: false, order: [], left: false };
export const connection = { open: false };
let knows;
export const known = new Promise((done) => (knows = done)); // when the first snapshot is there

export function allJobs(tab = null) {
  const found = [...jobs.values()].filter((job) => tab === null || job.tab === tab);
  return found.sort((a, b) => a.created - b.created);
}

export const allDownloads = () => [...downloads.values()];
export const download = (id) => downloads.get(id);

export const job = (id) => jobs.get(id);
export const running = () => [...jobs.values()].find((each) => each.state === "running") ?? null;

export function waiting() {
  const place = (each) => (queue.order.indexOf(each.id) + 1 || Infinity);
  return allJobs().filter((each) => each.state === "queued").sort((a, b) => place(a) - place(b));
}

// The listener is called with what changed: "snapshot", "job", "progress", "stopping", "queue", "trashed", "download",
// "grid", "connection".
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const tell = (what, data) => listeners.forEach((listener) => listener(what, data));

const handlers = {
  snapshot(data) {
    jobs.clear();
    data.jobs.forEach((each) => jobs.set(each.id, each));
    Object.assign(queue, { paused: data.paused, order: data.order, left: data.left });
    downloads.clear();
    (data.downloads ?? []).forEach((each) => downloads.set(each.id, each));
    knows();
  },
  download(data) {
    if (data.gone) downloads.delete(data.id);
    else downloads.set(data.id, data);
  },
  job(data) {
    const before = jobs.get(data.id);
    if (data.state === "running" && before?.progress && !data.progress.part) data.progress = before.progress;
    data.stopping = data.state === "running" && Boolean(before?.stopping);
    jobs.set(data.id, data);
    if (data.state === "queued" && !queue.order.includes(data.id)) queue.order.push(data.id);
    if (data.state !== "queued") queue.order = queue.order.filter((id) => id !== data.id);
  },
  progress(data) {
    const found = jobs.get(data.id);
    if (found) Object.assign(found, { state: "running", progress: data });
  },
  stopping(data) {
    for (const id of data.jobs) if (jobs.get(id)?.state === "running") jobs.get(id).stopping = true;
  },
  queue(data) {
    Object.assign(queue, data);
  },
  grid() {},
  trashed(data) {
    for (const each of jobs.values()) each.files = each.files.filter((file) => file.picture !== data.picture);
  },
};

export function connect() {
  const source = new EventSource("/easel/events");
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, (message) => {
      const data = JSON.parse(message.data);
      handle(data);
      tell(name, data);
    });
  }
  source.onopen = () => tell("connection", Object.assign(connection, { open: true }));
  source.onerror = () => tell("connection", Object.assign(connection, { open: false }));
}
