import { createServer } from "node:http";

/** A server that works without a break for `BUSY_MS` of processor time, in the place that the path names. */
const BUSY_MS = Number(process.env.BUSY_MS);

function work(): void {
  const begun = process.cpuUsage();
  let microseconds = 0;
  while (microseconds < BUSY_MS * 1_000) {
    const { user, system } = process.cpuUsage(begun);
    microseconds = user + system;
  }
}

const server = createServer(({ url }, response) => {
  const worked = () => {
    work();
    response.end();
  };
  if (url === "/immediate") setImmediate(worked);
  else if (url === "/timer") setTimeout(worked, 1);
  else if (url === "/request") worked();
  else response.end();
});
server.on("upgrade", (_, socket) => {
  socket.on("data", () => {
    work();
    socket.end("worked");
  });
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: bytes\r\n\r\n");
});
server.listen(Number(process.env.PORT), process.env.HOST);
