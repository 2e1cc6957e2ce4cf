// node nodemailer_pool.js PORT USER PASSWORD CA_FILE COUNT: so many messages over one pooled connection.
// Prints the messages a second and the microseconds of CPU a message. NODE_PATH leads to nodemailer.
"use strict";
const { readFileSync } = require("node:fs");
const nodemailer = require("nodemailer");

const [port, user, pass, caFile, count] = process.argv.slice(2);
const text = "Uma linha de texto como qualquer outra.\n".repeat(120);

(async () => {
  const transport = nodemailer.createTransport({
    host: "127.0.0.1",
    port: Number(port),
    secure: false,
    requireTLS: true,
    auth: { user, pass },
    tls: { ca: readFileSync(caFile) },
    pool: true,
    maxConnections: 1,
    maxMessages: Infinity,
  });
  const send = (number) =>
    transport.sendMail({ from: user, to: `r${number}@exemplo.org`, subject: `Olá, ${number}`, text: `Olá ${number}\n${text}` });
  await send(0);
  const begun = process.hrtime.bigint();
  const cpu = process.cpuUsage();
  await Promise.all(Array.from({ length: Number(count) }, (_, number) => send(number + 1)));
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  const used = process.cpuUsage(cpu);
  transport.close();
  console.log(JSON.stringify([Number(count) / seconds, (used.user + used.system) / Number(count)]));
})();
