import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificate {
  key: Buffer;
  cert: Buffer;
  keyFile: string;
  certFile: string;
}

/** A self-signed certificate for `host`, made by openssl in `folder`. With `days` below zero it has expired. */
export function certificateFor(host: string, folder: string, days = 30): Certificate {
  const [keyFile, certFile] = [join(folder, `${host}.key.pem`), join(folder, `${host}.cert.pem`)];
  const requestFile = join(folder, `${host}.request.pem`);
  const subject = ["-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", ...curve, ...subject, "-keyout", keyFile, "-out", requestFile);
  const signed = ["-signkey", keyFile, "-copy_extensions", "copy", "-days", String(days)];
  openssl("x509", "-req", "-in", requestFile, ...signed, "-out", certFile);
  return { key: readFileSync(keyFile), cert: readFileSync(certFile), keyFile, certFile };
}

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync("openssl", args);
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
}
