// Where the phone is, asked once, for one check-in: null without HTTPS, without the guard's leave, or when it takes long.
const PATIENCE_MS = 4000;
const FRESH_MS = 10000;
const MOST_ACCURACY_M = 100000;

export const able = () => window.isSecureContext && "geolocation" in navigator;

const usable = ({ latitude: lat, longitude: lon, accuracy }) =>
  Math.abs(lat) <= 90 && Math.abs(lon) <= 180 && accuracy >= 0 && accuracy <= MOST_ACCURACY_M ? { lat, lon, accuracy } : null;

export const locate = () => new Promise((done) => {
  if (!able()) return done(null);
  setTimeout(done, PATIENCE_MS, null); // the browser's own patience begins only when the guard has answered it
  const how = { enableHighAccuracy: true, timeout: PATIENCE_MS, maximumAge: FRESH_MS };
  navigator.geolocation.getCurrentPosition(({ coords }) => done(usable(coords)), () => done(null), how);
}).catch(() => null);
