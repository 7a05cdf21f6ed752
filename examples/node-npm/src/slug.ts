import slugify from "slugify";

export function slug(title: string): string {
  return slugify.default(title, { lower: true, strict: true });
}
