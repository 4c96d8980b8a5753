// Pictures before they are sent. What the browser cannot draw stays as it is: the hub looks at every one itself.
const SIDE = 1600;
const THUMB = 112;

function drawn(image, side) {
  const scale = Math.min(1, side / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas;
}

// A file as {type, bytes, thumb}: a JPEG of at most 1600 pixels a side and a small one as an address for <img>, or "".
export async function shrink(file) {
  try {
    const image = await createImageBitmap(file);
    const blob = await new Promise((done) => drawn(image, SIDE).toBlob(done, "image/jpeg", 0.8));
    if (!blob) throw new Error("not drawn");
    const bytes = await new Response(blob).arrayBuffer();
    return { type: "image/jpeg", bytes, thumb: drawn(image, THUMB).toDataURL("image/jpeg", 0.7) };
  } catch {
    const type = file.type.startsWith("image/") ? file.type : "image/jpeg";
    return { type, bytes: await new Response(file).arrayBuffer(), thumb: "" };
  }
}
