/** Material cannot close the tags that it stands between, nor open others. */
export const inert = (material: string): string =>
  material.replace(/<(?=\/?(?:knowledge|summary|feedback|request|earlier|extract|history)\b)/gi, '‹')
