import { createServer } from "node:http";
import { slug } from "./slug.js";

createServer((request, response) => {
  const title = new URL(request.url ?? "/", "http://localhost").searchParams.get("title") ?? "";
  response.end(slug(title) + "\n");
}).listen(3000);
